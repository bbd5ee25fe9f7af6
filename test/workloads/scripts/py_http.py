#!/usr/bin/python3
"""TCP and UDP over loopback: http.server, urllib, asyncio, socketserver, select; v4 and v6."""
import asyncio
import hashlib
import http.client
import http.server
import os
import select
import socket
import socketserver
import struct
import threading
import urllib.error
import urllib.request

CONTENT = b"".join(b"line %d of a page\n" % n for n in range(20_000))
with open("page.txt", "wb") as file:
    file.write(CONTENT)


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = hashlib.sha256(body).hexdigest().encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    base = f"http://127.0.0.1:{port}/"
    with urllib.request.urlopen(base + "page.txt") as reply:
        body = reply.read()
        print(reply.status, reply.headers["Content-Type"], len(body), body == CONTENT)
    try:
        urllib.request.urlopen(base + "missing")
    except urllib.error.HTTPError as error:
        print(error.code, error.reason)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for size in (0, 1, 100_000, 3_000_000):  # one connection for all
        connection.request("POST", "/", body=b"z" * size)
        reply = connection.getresponse()
        print(reply.status, reply.read().decode() == hashlib.sha256(b"z" * size).hexdigest())
    connection.close()
    pages = []

    def fetch():
        with urllib.request.urlopen(base + "page.txt") as reply:
            pages.append(hashlib.sha256(reply.read()).hexdigest())

    threads = [threading.Thread(target=fetch) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(pages), len(set(pages)))
    server.shutdown()


class Upper(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data.upper(), self.client_address)


with socketserver.UDPServer(("127.0.0.1", 0), Upper) as udp:
    threading.Thread(target=udp.serve_forever, daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        for word in (b"some", b"datagrams", b"x" * 8_000):
            client.sendto(word, udp.server_address)
            print(client.recv(65536) == word.upper())
    udp.shutdown()


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def talk(host, port, n):
    reader, writer = await asyncio.open_connection(host, port)
    message = os.urandom(1) * (n * 5000 + 1)
    writer.write(message)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer == message


async def main():
    for host in ("127.0.0.1", "::1"):
        server = await asyncio.start_server(echo, host, 0, backlog=100)
        port = server.sockets[0].getsockname()[1]
        print(host, sum(await asyncio.gather(*(talk(host, port, n) for n in range(40)))))
        server.close()
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        print("refused")


asyncio.run(main())

print(socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
print(socket.getaddrinfo("localhost", 443, socket.AF_INET, socket.SOCK_STREAM)[0][4])
print("lo" in [name for _, name in socket.if_nameindex()])

listener = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()
a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(a.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), select.select([b], [a], [], 0)[0] == [])
epoll = select.epoll()
epoll.register(b, select.EPOLLIN | select.EPOLLET)
for n in range(3):
    a.sendall(b"ping")
    print(len(epoll.poll(5)), b.recv(2), len(epoll.poll(0)))  # half is left: no edge
pid = os.fork()
if pid == 0:
    a.sendall(b"from the child")
    os._exit(0)
os.waitpid(pid, 0)
print(b.recv(100))
a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
a.close()
try:
    b.recv(1)
except ConnectionResetError as error:
    print(error)
