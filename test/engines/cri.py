"""A client of containerd's CRI, as a kubelet would be: cri.proto's messages over gRPC."""
import os
import subprocess
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

HERE = os.path.dirname(os.path.abspath(__file__))
POD, CONTAINER, NODE, TARGET = 0, 1, 2, 3  # NamespaceMode


def _messages():
    """{name: class} of cri.proto, by protoc: python3-grpcio has no compiler of its own."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["protoc", f"--proto_path={HERE}", f"--descriptor_set_out={file.name}", "cri.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for proto in files.file:
        pool.Add(proto)
    factory = message_factory.MessageFactory(pool)
    return {message.name: factory.GetPrototype(pool.FindMessageTypeByName("runtime.v1." + message.name))
            for message in files.file[0].message_type}


class Error(RuntimeError):
    """What the service answered instead."""


class Cri:
    """cri.RunPodSandbox(config={...}) and so on: fields as in JSON, answers as messages."""

    def __init__(self, address):
        self._messages = _messages()
        self._channel = grpc.insecure_channel("unix://" + address)

    def close(self):
        self._channel.close()

    def __getattr__(self, name):
        if name + "Request" not in self._messages:
            raise AttributeError(name)
        request, response = self._messages[name + "Request"], self._messages[name + "Response"]
        method = self._channel.unary_unary(f"/runtime.v1.RuntimeService/{name}", request_serializer=request.SerializeToString,
                                           response_deserializer=response.FromString)

        def call(seconds=60, **fields):
            try:
                return method(json_format.ParseDict(fields, request()), timeout=seconds)
            except grpc.RpcError as error:
                raise Error(f"{name}: {error.code().name}: {error.details()}") from None

        return call
