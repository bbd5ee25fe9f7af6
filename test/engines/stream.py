#!/usr/bin/python3
"""A client of the streams that CRI hands out URLs for (exec, attach, port-forward): channels in a WebSocket.

  stream.py URL      items to send as JSON on stdin, what came as JSON on stdout

Items: [channel, text] sent after a moment of silence. Of exec, channel 0 is stdin, 1 stdout, 2 stderr, 3 the status, 4 takes
sizes {"Width": W, "Height": H}; of port-forward (...?port=N) 0 is the data.
"""
import base64
import json
import os
import socket
import struct
import sys
import time
import urllib.parse

SECONDS = 30
SILENCE = 0.5


class WebSocket:
    def __init__(self, url, protocol="v4.channel.k8s.io"):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), SECONDS)
        path = parts.path + ("?" + parts.query if parts.query else "")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n"
                             "Origin: http://localhost\r\n\r\n").encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            chunk = self.socket.recv(4096)
            if not chunk:
                break
            self.data += chunk
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            sys.exit(f"no stream: {head.decode()} {self.data.decode()}")

    def send(self, payload, kind=2):
        mask = os.urandom(4)
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + struct.pack(">H", length)
        self.socket.sendall(bytes([0x80 | kind]) + size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))

    def receive(self, seconds):
        """A frame's payload; b"" for the end, None for silence."""
        while True:
            frame = self._parsed()
            if frame is not None:
                kind, payload = frame
                if kind == 9:
                    self.send(payload, 10)
                    continue
                return b"" if kind == 8 else payload
            self.socket.settimeout(seconds)
            try:
                chunk = self.socket.recv(65536)
            except (TimeoutError, socket.timeout):
                return None
            except OSError:
                return b""
            if not chunk:
                return b""
            self.data += chunk

    def _parsed(self):
        if len(self.data) < 2:
            return None
        length, at = self.data[1] & 0x7F, 2
        if length >= 126:
            width = 2 if length == 126 else 8
            if len(self.data) < 2 + width:
                return None
            length, at = int.from_bytes(self.data[2:2 + width], "big"), 2 + width
        if len(self.data) < at + length:
            return None
        kind, payload = self.data[0] & 0x0F, self.data[at:at + length]
        self.data = self.data[at + length:]
        return kind, payload


def main():
    todo = json.load(sys.stdin)
    stream = WebSocket(sys.argv[1])
    got, end = {}, time.monotonic() + SECONDS
    while time.monotonic() < end:
        payload = stream.receive(SILENCE)
        if payload == b"":
            break
        if payload is None:
            if not todo:
                continue
            channel, text = todo.pop(0)
            stream.send(bytes([channel]) + (text if isinstance(text, str) else json.dumps(text)).encode())
        else:
            channel = str(payload[0])
            got[channel] = got.get(channel, "") + payload[1:].decode("utf-8", "replace")
            if sys.argv[1].rpartition("?")[2].startswith("port=") and not todo and channel == "0" and len(got["0"]) > 2:
                break  # the other side of a port-forward has no end of its own
    json.dump(got, sys.stdout)


if __name__ == "__main__":
    main()
