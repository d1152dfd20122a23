"""Run inside the registry's container: all objects to stdout as a tar (`out`), or from stdin into the store (`in`)."""

import os
import sys
import tarfile
import tempfile

import boto3  # type: ignore[import-not-found,unused-ignore]

BUCKET = os.environ["MLFLOW_ARTIFACTS_DESTINATION"].removeprefix("s3://").strip("/")
store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])

if sys.argv[1] == "out":
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for page in store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for listed in page.get("Contents", []):
                found = store.get_object(Bucket=BUCKET, Key=listed["Key"])
                member = tarfile.TarInfo(listed["Key"])
                member.size, member.mtime = found["ContentLength"], listed["LastModified"].timestamp()
                archive.addfile(member, found["Body"])
else:
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                with tempfile.TemporaryFile() as part:  # an upload goes back and forth in what it sends
                    while block := file.read(1 << 20):
                        part.write(block)
                    part.seek(0)
                    store.upload_fileobj(part, BUCKET, member.name)
