"""Asks the server on this machine whether it can screen: `python -m tosa.web.check_health`, for containers.

Exit status 0 if it can; 1 while it starts or stops, and if it does not answer. It needs nothing but the settings of the
server that it asks (TOSA_HOST, TOSA_PORT).
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 4.0
ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  where a server that listens on all is asked


def main() -> int:
    """Prints what is wrong, if anything is. Returns the exit status."""
    host = os.environ.get("TOSA_HOST", "127.0.0.1")
    host = ALL_ADDRESSES.get(host, f"[{host}]" if ":" in host else host)
    address = f"http://{host}:{os.environ.get('TOSA_PORT', '5000')}/"
    request = urllib.request.Request(address, headers={"Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
            return 0
    except (urllib.error.URLError, OSError) as error:
        print(f"{address} does not answer as it should: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
