"""The handler without a server, on images made here."""

import io
import unittest
import zlib

import lambda_function
import png


class Bucket:
    """As much of boto3's client as the handler uses."""

    def __init__(self, objects):
        self.objects = objects

    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def put_object(self, Bucket, Key, Body, **about):
        self.objects[Bucket, Key] = Body


def image(width, height, channels, pixel):
    return width, height, channels, [bytearray(pixel * width) for _ in range(height)]


class Thumbnails(unittest.TestCase):
    def test_a_photo_becomes_a_thumbnail_of_the_same_colour(self):
        photo = png.write(image(200, 100, 3, b"\x10\x20\x30"))
        bucket = Bucket({("b", "photos/a b.png"): photo})
        target = lambda_function.thumbnail(bucket, "b", "photos/a b.png")
        self.assertEqual(target, "thumbnails/a b.png")
        width, height, channels, rows = png.read(bucket.objects["b", target])
        self.assertEqual((width, height, channels), (50, 25, 3))
        self.assertTrue(all(row == b"\x10\x20\x30" * 50 for row in rows))

    def test_an_image_that_is_small_enough_stays_as_it_is(self):
        small = image(3, 2, 4, b"\1\2\3\4")
        self.assertEqual(png.read(png.write(png.shrink(small, 64))), small)

    def test_every_filter_of_rows_is_undone(self):
        # Two pixels of one channel in five rows, one for each filter; all rows are 10, 20.
        stored = b"\0\x0a\x14" b"\1\x0a\x0a" b"\2\0\0" b"\3\x05\x05" b"\4\0\0"
        rows = png.unfilter(stored, 5, 2, 1)
        self.assertEqual(rows, [bytearray(b"\x0a\x14")] * 5)

    def test_what_is_no_png_is_refused(self):
        with self.assertRaises(png.NotSupported):
            png.read(zlib.compress(b"nothing"))


if __name__ == "__main__":
    unittest.main()
