"""Serves moto's S3 on a free port of the loopback interface, prints the port, and ends with its standard input.

With a folder as argument it speaks TLS, and puts a certificate of its own making for `localhost` there.
"""

import logging
import pathlib
import ssl
import sys
import threading

from cryptography.hazmat.primitives import serialization
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import generate_adhoc_ssl_pair, make_server


def tls(folder: pathlib.Path) -> ssl.SSLContext:
    certificate, key = generate_adhoc_ssl_pair("localhost")
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server(
    "127.0.0.1",
    0,
    DomainDispatcherApplication(create_backend_app),
    threaded=True,
    request_handler=MotoRequestHandler,
    ssl_context=tls(pathlib.Path(sys.argv[1])) if len(sys.argv) > 1 else None,
)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
