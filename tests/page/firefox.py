"""Firefox without geckodriver, which Debian does not have: selenium's commands over Marionette, Firefox's own protocol.

Marionette carries WebDriver's commands under other names. A message is its
length, a colon and JSON: [0, number, command, parameters] there, [1, number, error, result] back.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from itertools import count

from selenium import webdriver
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.file_detector import UselessFileDetector
from selenium.webdriver.remote.remote_connection import RemoteConnection

import running

# selenium's name of a command: Marionette's.
COMMANDS = {
    "newSession": "WebDriver:NewSession",
    "quit": "WebDriver:DeleteSession",
    "get": "WebDriver:Navigate",
    "findElement": "WebDriver:FindElement",
    "findElements": "WebDriver:FindElements",
    "findChildElement": "WebDriver:FindElement",
    "findChildElements": "WebDriver:FindElements",
    "clickElement": "WebDriver:ElementClick",
    "sendKeysToElement": "WebDriver:ElementSendKeys",
    "getElementText": "WebDriver:GetElementText",
    "w3cExecuteScript": "WebDriver:ExecuteScript",
    "w3cExecuteScriptAsync": "WebDriver:ExecuteAsyncScript",
    "w3cGetActiveElement": "WebDriver:GetActiveElement",
    "setTimeouts": "WebDriver:SetTimeouts",
    "setWindowRect": "WebDriver:SetWindowRect",
    "screenshot": "WebDriver:TakeScreenshot",
    "SET_CONTEXT": "Marionette:SetContext",
}


class Marionette(RemoteConnection):
    """Selenium's connection to a browser, here a socket and not HTTP."""

    def __init__(self, port: int, patience: float):
        super().__init__(client_config=ClientConfig("http://127.0.0.1"))  # which is never used
        self.numbers = count(1)
        deadline = time.monotonic() + patience
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self.stream = self.socket.makefile("rb")
        self._receive()  # a greeting

    def execute(self, command, params):
        params = {key: value for key, value in params.items() if key != "sessionId"}
        if command == "newSession":
            params = params["capabilities"]["alwaysMatch"]
        if "id" in params and command.startswith("findChild"):
            params["element"] = params.pop("id")
        message = json.dumps([0, next(self.numbers), COMMANDS[command], params]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            return {"status": 500, "value": json.dumps({"value": error})}
        if command == "newSession":
            return {"value": result}
        return {"value": result["value"] if isinstance(result, dict) and "value" in result else result}

    def _receive(self):
        length = b""
        while not length.endswith(b":"):
            byte = self.stream.read(1)
            if not byte:
                raise ConnectionError("Firefox has gone")
            length += byte
        return json.loads(self.stream.read(int(length[:-1])))

    def close(self):
        self.socket.close()


def prefer(driver, name: str, value: int | bool) -> None:
    """Change a preference of the running Firefox."""
    kind = "Bool" if isinstance(value, bool) else "Int"
    driver.execute("SET_CONTEXT", {"value": "chrome"})
    driver.execute_script(f"Services.prefs.set{kind}Pref(arguments[0], arguments[1]);", name, value)
    driver.execute("SET_CONTEXT", {"value": "content"})


def start_loudspeaker(folder):
    """Start a loudspeaker that nobody hears, without which Firefox runs no Web Audio: PulseAudio's null sink.

    Returns (the address for PULSE_SERVER, process), or None where PulseAudio is not installed.
    """
    if not shutil.which("pulseaudio"):
        return None
    address = folder / "native"
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
    command += ["--load=module-null-sink", f"--load=module-native-protocol-unix auth-anonymous=1 socket={address}"]
    environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return f"unix:{address}", subprocess.Popen(command, env=environment, **quiet)


def start(binary, profile, preferences: dict, loudspeaker: str | None = None, patience=60 * running.PATIENCE):
    """Start Firefox headless in the folder `profile`. Returns (selenium driver, process)."""
    port = running.free_port()
    preferences = {"marionette.port": port, **preferences}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    flags = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
    command = [binary, *flags, "--profile", str(profile)]
    environment = os.environ | ({"PULSE_SERVER": loudspeaker} if loudspeaker else {})
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        connection, here = Marionette(port, patience), UselessFileDetector()  # files are on this machine
        return webdriver.Remote(connection, file_detector=here, options=webdriver.FirefoxOptions()), process
    except BaseException:
        process.kill()
        raise
