"""What the imitations of clouds need beside themselves.

clouds.py s3             serves S3 as moto plays it, with a bucket, and prints its address
clouds.py azure ADDRESS  makes a container in azurite
"""

import base64
import email.utils
import hashlib
import hmac
import sys
import time
import urllib.request

BUCKET = "orgsmith"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def s3():
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://%s:%s" % server.get_host_and_port()
    client = boto3.client("s3", region_name="eu-central-1", endpoint_url=url,
                          aws_access_key_id="test", aws_secret_access_key="test")
    client.create_bucket(Bucket=BUCKET,
                         CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    print(url, flush=True)
    while True:
        time.sleep(60)


def azure(address):
    date = email.utils.formatdate(usegmt=True)
    version = "2021-08-06"
    signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n"
    signed += f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        "Content-Length": "0",
    }
    url = f"{address}/{BUCKET}?restype=container"
    request = urllib.request.Request(url, method="PUT", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.status == 201, response.status


if sys.argv[1] == "s3":
    s3()
else:
    azure(sys.argv[2])
