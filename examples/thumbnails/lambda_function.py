"""Makes a thumbnail of every PNG that comes to photos/, and puts it into thumbnails/."""

from urllib.parse import unquote_plus

import boto3

import png

SIDE_MAX = 64


def lambda_handler(event, context):
    """Hears of new objects, as S3 tells of them."""
    s3 = boto3.client("s3")
    made = []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        made.append(thumbnail(s3, bucket, key))
    return made


def thumbnail(s3, bucket, key):
    """Reads a photo and puts its thumbnail; where the photo came from is kept with it."""
    photo = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    small = png.shrink(png.read(photo), SIDE_MAX)
    target = "thumbnails/" + key.removeprefix("photos/")
    s3.put_object(
        Bucket=bucket,
        Key=target,
        Body=png.write(small),
        ContentType="image/png",
        Metadata={"source": key},
    )
    print(f"{target} is {small[0]}x{small[1]}")
    return target
