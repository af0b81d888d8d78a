"""Requests of the managers, from the API server's audit log."""

import json
from collections import Counter
from datetime import datetime

# Renewed as long as a manager lives.
LEASE = "leases"


class Audit:
    """What has been asked so far."""

    def __init__(self, path):
        """Reads an audit log; a line that is being written just now is left out."""
        self.requests = []
        with open(path) as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break
                event = json.loads(line)
                # A watch counts when it begins, everything else when it has been answered.
                if (event["verb"] == "watch") != (event["stage"] == "ResponseStarted"):
                    continue
                time = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
                reference = event.get("objectRef", {})
                resource = "/".join(filter(None, (reference.get("resource", event["requestURI"].split("?")[0]), reference.get("subresource"))))
                code = event.get("responseStatus", {}).get("code", 0)
                self.requests.append((time, event["user"]["username"], event["verb"], resource, code))

    def between(self, begin, end, users):
        """Number of requests of these users in a span of time, by verb and resource."""
        return Counter((verb, resource) for time, user, verb, resource, _ in self.requests if begin <= time < end and user in users)

    def failures(self, begin, end, users):
        """The same of requests that were refused."""
        chosen = (request for request in self.requests if begin <= request[0] < end and request[1] in users)
        return Counter((verb, resource, code) for _, _, verb, resource, code in chosen if code >= 400)


def kinds(counts):
    """A count in three parts: watches, requests for leases, all others."""
    watches = sum(number for (verb, _), number in counts.items() if verb == "watch")
    leases = sum(number for (verb, resource), number in counts.items() if resource == LEASE and verb != "watch")
    return {"watches": watches, "leases": leases, "others": sum(counts.values()) - watches - leases}
