"""The API server as a client of the standard library sees it: requests, lists and watches."""

import base64
import http.client
import json
import ssl
import tempfile
import threading
from urllib.parse import urlencode

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, method, path, status, body):
        super().__init__(f"{method} {path}: {status} {body[:500].decode(errors='replace')}")
        self.status = status


class Api:
    """One user of an API server. Each thread has a connection of its own."""

    def __init__(self, kubeconfig):
        """`kubeconfig`: what `kubectl config view --raw --output json` prints."""
        cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
        self.host, self.port = cluster["server"].removeprefix("https://").split(":")
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[part]))
            pair.flush()
            self.tls.load_cert_chain(pair.name)
        self.connections = threading.local()

    def connect(self):
        return http.client.HTTPSConnection(self.host, int(self.port), context=self.tls, timeout=60)

    def request(self, method, path, body=None, accept="application/json", content="application/json"):
        """Asks, and reads the answer as JSON. What is asked may be asked twice: an idle connection may have been closed meanwhile."""
        headers = {"Accept": accept, "Content-Type": content}
        question = None if body is None else json.dumps(body)
        for is_last in (False, True):
            if not hasattr(self.connections, "own"):
                self.connections.own = self.connect()
            connection = self.connections.own
            try:
                connection.request(method, path, question, headers)
                answer = connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                if is_last:
                    raise
        if answer.status >= 300:
            raise ApiError(method, path, answer.status, text)
        return json.loads(text)

    def any_left(self, path, **query):
        """Whether a list with these selectors holds anything."""
        answer = self.request("GET", f"{path}?{urlencode({**query, 'limit': 1})}", accept=METADATA_LIST)
        return bool(answer["items"])

    def watch(self, path, selector, heard):
        """Tells `heard` the type and metadata of every event from now on, in a thread that lives as long as the process."""
        version = self.request("GET", f"{path}?{urlencode({'limit': 1})}", accept=METADATA_LIST)["metadata"]["resourceVersion"]
        query = urlencode({"watch": 1, "labelSelector": selector, "resourceVersion": version, "timeoutSeconds": 3600})
        connection = self.connect()
        connection.timeout = None
        connection.request("GET", f"{path}?{query}", headers={"Accept": METADATA_ONLY})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ApiError("WATCH", path, answer.status, answer.read())

        def follow():
            for line in answer:
                event = json.loads(line)
                heard(event["type"], event["object"]["metadata"])

        threading.Thread(target=follow, daemon=True).start()
