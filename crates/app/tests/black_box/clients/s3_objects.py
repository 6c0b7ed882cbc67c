"""Buckets and objects as boto3 knows them, unmodified."""

import datetime
import hashlib
import io
import json
import urllib.error
import urllib.request

import boto3
import botocore.config
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

s3 = boto3.client("s3")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response
    raise AssertionError(f"{call} was not refused with {code}")


def read(key, **how):
    return s3.get_object(Bucket="things", Key=key, **how)


# Buckets.
s3.create_bucket(Bucket="things")
s3.create_bucket(Bucket="things")
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["things"]
assert s3.get_bucket_location(Bucket="things")["LocationConstraint"] is None
assert s3.head_bucket(Bucket="things")["BucketRegion"] == "us-east-1"
refused("404", s3.head_bucket, Bucket="absent")
refused("NoSuchBucket", s3.list_objects_v2, Bucket="absent")
refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket="things")
s3.put_bucket_tagging(Bucket="things", Tagging={"TagSet": [{"Key": "team", "Value": "a+b @c"}]})
assert s3.get_bucket_tagging(Bucket="things")["TagSet"] == [{"Key": "team", "Value": "a+b @c"}]
s3.delete_bucket_tagging(Bucket="things")
refused("NotImplemented", s3.get_bucket_cors, Bucket="things")

# Policies: of this bucket, for the account's own, and for everybody only when that is not blocked.
refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket="things")


def policy(principal, resource="arn:aws:s3:::things/*"):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ada = {"AWS": "arn:aws:iam::000000000000:user/ada"}
s3.put_bucket_policy(Bucket="things", Policy=policy(ada))
assert s3.get_bucket_policy(Bucket="things")["Policy"] == policy(ada)
assert s3.get_bucket_policy_status(Bucket="things")["PolicyStatus"]["IsPublic"] is False
refused("MalformedPolicy", s3.put_bucket_policy, Bucket="things", Policy=policy(ada, "arn:aws:s3:::other/*"))
refused("MalformedPolicy", s3.put_bucket_policy, Bucket="things", Policy="[]")
blocks = s3.get_public_access_block(Bucket="things")["PublicAccessBlockConfiguration"]
assert all(blocks.values()) and len(blocks) == 4, blocks
refused("AccessDenied", s3.put_bucket_policy, Bucket="things", Policy=policy("*"))
s3.put_public_access_block(Bucket="things", PublicAccessBlockConfiguration={**blocks, "BlockPublicPolicy": False})
s3.put_bucket_policy(Bucket="things", Policy=policy("*"))
assert s3.get_bucket_policy_status(Bucket="things")["PolicyStatus"]["IsPublic"] is True
s3.delete_public_access_block(Bucket="things")
refused("NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, Bucket="things")
s3.delete_bucket_policy(Bucket="things")
refused("NoSuchBucketPolicy", s3.get_bucket_policy_status, Bucket="things")

# Puts and gets. boto3 sends a checksum and compares the one it gets.
body = b"hello, objects"
put = s3.put_object(
    Bucket="things", Key="a/b c+d/ä&<>.txt", Body=body, ContentType="text/plain", CacheControl="no-cache",
    Metadata={"note": "kept"}, Tagging="color=red&size=1",
)
assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"' and put["ChecksumCRC32"], put
got = read("a/b c+d/ä&<>.txt")
assert got["Body"].read() == body
assert (got["ContentType"], got["CacheControl"], got["Metadata"], got["TagCount"]) == ("text/plain", "no-cache", {"note": "kept"}, 2)
assert got["ChecksumCRC32"] == put["ChecksumCRC32"] and got["AcceptRanges"] == "bytes"
head = s3.head_object(Bucket="things", Key="a/b c+d/ä&<>.txt")
assert head["ContentLength"] == len(body) and head["Metadata"] == {"note": "kept"}
refused("NoSuchKey", s3.get_object, Bucket="things", Key="absent")
refused("404", s3.head_object, Bucket="things", Key="absent")
refused("KeyTooLongError", s3.put_object, Bucket="things", Key="k" * 1025, Body=b"")
refused("AccessControlListNotSupported", s3.put_object, Bucket="things", Key="k", Body=b"", ACL="public-read")
refused("BadDigest", s3.put_object, Bucket="things", Key="k", Body=b"x", ChecksumCRC32="AAAAAA==")
refused("BadDigest", s3.put_object, Bucket="things", Key="k", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
refused("NoSuchKey", s3.get_object, Bucket="things", Key="k")
for algorithm in ["CRC32C", "SHA1", "SHA256"]:
    try:
        s3.put_object(Bucket="things", Key="sums", Body=body, ChecksumAlgorithm=algorithm)
    except Exception as error:  # CRC32C wants a package that is not there.
        assert "awscrt" in str(error).lower() or "crt" in str(error).lower(), error
        continue
    assert read("sums", ChecksumMode="ENABLED")[f"Checksum{algorithm}"]
s3.delete_object(Bucket="things", Key="sums")
s3.put_object(Bucket="things", Key="empty", Body=b"")
assert read("empty")["Body"].read() == b""
# Names that would lead out of a directory are names like any other.
for key in ["../../etc/passwd", "/", "a//b", ".", "x/../y", "x\ty"]:
    s3.put_object(Bucket="things", Key=key, Body=key.encode())
    assert read(key)["Body"].read() == key.encode()
    s3.delete_object(Bucket="things", Key=key)

# Ranges and conditions.
name, etag = "a/b c+d/ä&<>.txt", put["ETag"]
part = read(name, Range="bytes=7-13")
assert part["Body"].read() == b"objects" and part["ContentRange"] == f"bytes 7-13/{len(body)}"
assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
assert read(name, Range="bytes=-7")["Body"].read() == b"objects"
refused("InvalidRange", s3.get_object, Bucket="things", Key=name, Range="bytes=100-")
assert read(name, IfMatch=etag)["Body"].read() == body
refused("PreconditionFailed", s3.get_object, Bucket="things", Key=name, IfMatch='"x"')
refused("304", s3.get_object, Bucket="things", Key=name, IfNoneMatch=etag)
refused("304", s3.get_object, Bucket="things", Key=name, IfModifiedSince=got["LastModified"])
early = got["LastModified"] - datetime.timedelta(hours=1)
refused("PreconditionFailed", s3.get_object, Bucket="things", Key=name, IfUnmodifiedSince=early)
refused("PreconditionFailed", s3.put_object, Bucket="things", Key=name, Body=b"", IfNoneMatch="*")
refused("PreconditionFailed", s3.put_object, Bucket="things", Key=name, Body=b"", IfMatch='"x"')
shown = read(name, ResponseContentType="text/html", ResponseContentDisposition="attachment")
assert (shown["ContentType"], shown["ContentDisposition"]) == ("text/html", "attachment")

# Tags.
assert s3.get_object_tagging(Bucket="things", Key=name)["TagSet"] == [{"Key": "color", "Value": "red"}, {"Key": "size", "Value": "1"}]
s3.put_object_tagging(Bucket="things", Key=name, Tagging={"TagSet": [{"Key": "x", "Value": ""}]})
assert s3.get_object_tagging(Bucket="things", Key=name)["TagSet"] == [{"Key": "x", "Value": ""}]
s3.delete_object_tagging(Bucket="things", Key=name)
assert s3.get_object_tagging(Bucket="things", Key=name)["TagSet"] == []

# Copies.
copied = s3.copy_object(Bucket="things", Key="copy", CopySource={"Bucket": "things", "Key": name})
assert copied["CopyObjectResult"]["ETag"] == etag
assert read("copy")["Metadata"] == {"note": "kept"}
s3.copy_object(Bucket="things", Key="copy", CopySource="things/copy", MetadataDirective="REPLACE", Metadata={"new": "1"})
assert read("copy")["Metadata"] == {"new": "1"} and read("copy")["Body"].read() == body
refused("InvalidRequest", s3.copy_object, Bucket="things", Key="copy", CopySource="things/copy")
refused("NoSuchKey", s3.copy_object, Bucket="things", Key="copy", CopySource="things/absent")
refused("PreconditionFailed", s3.copy_object, Bucket="things", Key="c", CopySource="things/copy", CopySourceIfNoneMatch=etag)

# Lists.
for key in ["p/1", "p/2", "p/q/1", "p/q/2", "p/r/1", "p/z", "ä b"]:
    s3.put_object(Bucket="things", Key=key, Body=b"1")
page = s3.list_objects_v2(Bucket="things", Prefix="p/", Delimiter="/")
assert [o["Key"] for o in page["Contents"]] == ["p/1", "p/2", "p/z"], page
assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["p/q/", "p/r/"] and page["KeyCount"] == 5
for size in [1, 2, 3, 100]:
    for operation in ["list_objects", "list_objects_v2"]:
        pages = s3.get_paginator(operation).paginate(Bucket="things", Prefix="p/", Delimiter="/", PaginationConfig={"PageSize": size})
        keys, prefixes = [], []
        for page in pages:
            keys += [o["Key"] for o in page.get("Contents", [])]
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        assert (keys, prefixes) == (["p/1", "p/2", "p/z"], ["p/q/", "p/r/"]), (operation, size, keys, prefixes)
assert [o["Key"] for o in s3.list_objects_v2(Bucket="things", StartAfter="p/q/2")["Contents"]] == ["p/r/1", "p/z", "ä b"]
assert s3.list_objects_v2(Bucket="things", MaxKeys=0)["KeyCount"] == 0
refused("InvalidArgument", s3.list_objects_v2, Bucket="things", ContinuationToken="!")

# Many at once.
done = s3.delete_objects(Bucket="things", Delete={"Objects": [{"Key": "p/1"}, {"Key": "p/2"}, {"Key": "absent"}]})
assert sorted(d["Key"] for d in done["Deleted"]) == ["absent", "p/1", "p/2"] and "Errors" not in done
refused("BucketNotEmpty", s3.delete_bucket, Bucket="things")

# In parts.
parts = [b"1" * (5 << 20), b"2" * (5 << 20), b"3"]
upload = s3.create_multipart_upload(Bucket="things", Key="large", ContentType="text/x", Metadata={"m": "1"})["UploadId"]
assert [u["Key"] for u in s3.list_multipart_uploads(Bucket="things")["Uploads"]] == ["large"]
sent = []
for number, part in enumerate(parts, 1):
    answer = s3.upload_part(Bucket="things", Key="large", UploadId=upload, PartNumber=number, Body=part)
    sent.append({"PartNumber": number, "ETag": answer["ETag"]})
s3.upload_part(Bucket="things", Key="large", UploadId=upload, PartNumber=7, Body=b"not wanted")
listed = s3.list_parts(Bucket="things", Key="large", UploadId=upload, MaxParts=2)
assert [p["Size"] for p in listed["Parts"]] == [5 << 20, 5 << 20] and listed["IsTruncated"]
arguments = {"Bucket": "things", "Key": "large", "UploadId": upload}
complete = s3.complete_multipart_upload
refused("InvalidPartOrder", complete, **arguments, MultipartUpload={"Parts": sent[::-1]})
refused("InvalidPart", complete, **arguments, MultipartUpload={"Parts": [{"PartNumber": 9, "ETag": '"x"'}]})
refused("EntityTooSmall", complete, **arguments, MultipartUpload={"Parts": [sent[2], {"PartNumber": 7, "ETag": f'"{hashlib.md5(b"not wanted").hexdigest()}"'}]})
whole = complete(**arguments, MultipartUpload={"Parts": sent})
digests = b"".join(hashlib.md5(part).digest() for part in parts)
assert whole["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"', whole
assert complete(**arguments, MultipartUpload={"Parts": sent})["ETag"] == whole["ETag"]
large = read("large")
assert large["Body"].read() == b"".join(parts) and large["Metadata"] == {"m": "1"}
middle = read("large", Range=f"bytes={(5 << 20) - 2}-{(5 << 20) + 1}")
assert middle["Body"].read() == b"1122"
second = s3.head_object(Bucket="things", Key="large", PartNumber=2)
assert (second["ContentLength"], second["PartsCount"]) == (5 << 20, 3)
refused("NoSuchUpload", s3.list_parts, **arguments)
upload = s3.create_multipart_upload(Bucket="things", Key="large")["UploadId"]
arguments["UploadId"] = upload
first = s3.upload_part_copy(**arguments, PartNumber=1, CopySource="things/large", CopySourceRange=f"bytes=0-{(5 << 20) - 1}")
last = s3.upload_part_copy(**arguments, PartNumber=2, CopySource="things/large", CopySourceRange=f"bytes={10 << 20}-{10 << 20}")
etags = [first["CopyPartResult"]["ETag"], last["CopyPartResult"]["ETag"]]
complete(**arguments, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": e} for n, e in enumerate(etags, 1)]})
assert read("large")["Body"].read() == parts[0] + b"3"
upload = s3.create_multipart_upload(Bucket="things", Key="dropped")["UploadId"]
s3.abort_multipart_upload(Bucket="things", Key="dropped", UploadId=upload)
refused("NoSuchUpload", s3.upload_part, Bucket="things", Key="dropped", UploadId=upload, PartNumber=1, Body=b"x")
config = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20)
blob = bytes(range(256)) * (9 << 12)
s3.upload_fileobj(io.BytesIO(blob), "things", "blob", Config=config)
back = io.BytesIO()
s3.download_fileobj("things", "blob", back, Config=config)
assert back.getvalue() == blob

# Presigned: in the way of today, and in the old one that boto3 still has as its default here.
today = boto3.client("s3", config=botocore.config.Config(signature_version="s3v4"))
for client in [s3, today]:
    url = client.generate_presigned_url("get_object", Params={"Bucket": "things", "Key": "ä b"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b"1", url
    for wrong in [url.replace("things/", "things/x"), url[:-4] + ("AAAA" if url[-4:] != "AAAA" else "BBBB")]:
        try:
            urllib.request.urlopen(wrong)
        except urllib.error.HTTPError as error:
            assert error.code == 403, wrong
        else:
            raise AssertionError(wrong)
    url = client.generate_presigned_url("put_object", Params={"Bucket": "things", "Key": "put"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT", headers={"Content-Type": ""}))
    assert read("put")["Body"].read() == b"by url"

# Versions.
s3.create_bucket(Bucket="kept")
s3.put_object(Bucket="kept", Key="k", Body=b"before")
assert "Status" not in s3.get_bucket_versioning(Bucket="kept")
s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
one = s3.put_object(Bucket="kept", Key="k", Body=b"one")["VersionId"]
two = s3.put_object(Bucket="kept", Key="k", Body=b"two")["VersionId"]
assert one != two
gone = s3.delete_object(Bucket="kept", Key="k")
assert gone["DeleteMarker"] is True
missing = refused("NoSuchKey", s3.get_object, Bucket="kept", Key="k")
assert missing["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
refused("MethodNotAllowed", s3.get_object, Bucket="kept", Key="k", VersionId=gone["VersionId"])
refused("NoSuchVersion", s3.get_object, Bucket="kept", Key="k", VersionId="nonsense")
for version, expected in [("null", b"before"), (one, b"one"), (two, b"two")]:
    assert s3.get_object(Bucket="kept", Key="k", VersionId=version)["Body"].read() == expected
s3.put_object(Bucket="kept", Key="l", Body=b"other")
for size in [1, 2, 100]:
    versions, markers = [], []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="kept", PaginationConfig={"PageSize": size}):
        versions += [(v["Key"], v["VersionId"] if v["Key"] == "k" else "", v["IsLatest"]) for v in page.get("Versions", [])]
        markers += [(m["Key"], m["IsLatest"]) for m in page.get("DeleteMarkers", [])]
    assert versions == [("k", two, False), ("k", one, False), ("k", "null", False), ("l", "", True)], versions
    assert markers == [("k", True)], markers
s3.delete_object(Bucket="kept", Key="k", VersionId=gone["VersionId"])
assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == b"two"
s3.delete_object(Bucket="kept", Key="k", VersionId=two)
assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == b"one"
s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Suspended"})
s3.put_object(Bucket="kept", Key="k", Body=b"after")
assert s3.get_object(Bucket="kept", Key="k", VersionId="null")["Body"].read() == b"after"
assert s3.delete_object(Bucket="kept", Key="k")["VersionId"] == "null"
resource = boto3.resource("s3")
resource.Bucket("kept").object_versions.delete()
s3.delete_bucket(Bucket="kept")
resource.Bucket("things").objects.delete()
s3.delete_bucket(Bucket="things")
assert s3.list_buckets()["Buckets"] == []
