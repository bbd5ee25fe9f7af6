#!/usr/bin/python3
"""Unix sockets, select, poll, epoll, asyncio, eventfd-like wakes, descriptors passed."""
import asyncio
import os
import select
import selectors
import signal
import socket
import socketserver
import struct
import threading

a, b = socket.socketpair()
a.sendall(b"x" * 10)
print(b.recv(100), select.select([a, b], [a, b], [], 0)[0] == [], a.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE))
a.shutdown(socket.SHUT_WR)
print(b.recv(1), b.send(b"back"), a.recv(10))
a.close()
try:
    b.send(b"more")
except BrokenPipeError as error:
    print(error)
b.close()

d, e = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for n in range(3):
    d.send(b"message %d" % n)
print([e.recv(100) for _ in range(3)])
e.setblocking(False)
try:
    e.recv(1)
except BlockingIOError as error:
    print(error)
s, t = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.send(b"one"), s.send(b"two")
print(t.recv(2), t.recv(10))

server = socket.socket(socket.AF_UNIX)
server.bind("server.sock")
server.listen(3)
received = []


def serve():
    for _ in range(3):
        connection, _ = server.accept()
        with connection:
            while chunk := connection.recv(65536):
                received.append(len(chunk))
            connection.sendall(b"bye")


thread = threading.Thread(target=serve)
thread.start()
for _ in range(3):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("server.sock")
        client.sendall(b"y" * 500_000)
        client.shutdown(socket.SHUT_WR)
        print(client.recv(10), client.getpeername())
thread.join()
print(sum(received))
try:
    socket.socket(socket.AF_UNIX).connect("nobody.sock")
except FileNotFoundError as error:
    print(error)
server.close()
try:
    socket.socket(socket.AF_UNIX).connect("server.sock")
except ConnectionRefusedError as error:
    print(error)
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0workload")
abstract.listen()
client = socket.socket(socket.AF_UNIX)
client.connect("\0workload")
peer, _ = abstract.accept()
pid, uid, gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
print(pid == os.getpid(), uid, gid, abstract.getsockname())

a, b = socket.socketpair()
read_end, write_end = os.pipe()
socket.send_fds(a, [b"take"], [write_end, 1])
message, fds, _, _ = socket.recv_fds(b, 10, 5)
os.write(fds[0], b"through a passed descriptor")
print(message, len(fds), os.read(read_end, 100))

poll = select.poll()
poll.register(read_end, select.POLLIN)
print(poll.poll(10), os.write(write_end, b"z"), poll.poll(1000) == [(read_end, select.POLLIN)])
epoll = select.epoll()
epoll.register(read_end, select.EPOLLIN | select.EPOLLET)
print(epoll.poll(1)[0][1], epoll.poll(0.01), os.write(write_end, b"z"), epoll.poll(1)[0][1])
epoll.modify(read_end, select.EPOLLIN | select.EPOLLONESHOT)
print(len(epoll.poll(1)), len(epoll.poll(0.01)))
for fd in (write_end, fds[0]):
    os.close(fd)
print(os.read(read_end, 10), os.read(read_end, 10), poll.poll(0) == [(read_end, select.POLLHUP)])
selector = selectors.DefaultSelector()
selector.register(b, selectors.EVENT_READ | selectors.EVENT_WRITE)
print(selector.select(1)[0][1])


async def client_of(n):
    reader, writer = await asyncio.open_unix_connection("async.sock")
    writer.write(b"%d\n" % n)
    answer = await reader.readline()
    writer.close()
    return int(answer)


async def handle(reader, writer):
    n = int(await reader.readline())
    await asyncio.sleep(0.01)
    writer.write(b"%d\n" % (n * 2))
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_unix_server(handle, "async.sock", backlog=200)
    print(sum(await asyncio.gather(*(client_of(n) for n in range(60)))))
    server.close()
    process = await asyncio.create_subprocess_exec("sh", "-c", "read x; echo got $x; exit 3", stdin=-1, stdout=-1)
    print(await process.communicate(b"input\n"), process.returncode)
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, woken.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(woken.wait(), 5)
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError:
        print("timed out")
    print(await loop.run_in_executor(None, os.getppid) == os.getppid())


asyncio.run(main())


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


with socketserver.ThreadingUnixStreamServer("echo.sock", Echo) as echo:
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("echo.sock")
        client.sendall(b"shout\n")
        print(client.recv(100))
    echo.shutdown()
