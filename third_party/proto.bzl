"""cc_proto: a C++ library from .proto files, by Debian's protoc."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def cc_proto(name, srcs, deps = [], visibility = None, testonly = None):
    """Generates foo.pb.h and foo.pb.cc beside each foo.proto.

    Include as "path/to/foo.pb.h" from the repository's root. Imports among
    .proto files are root-relative too; list the cc_proto they belong to in
    deps, which must be plain labels.

    Generated code keeps RTTI: the protobuf library may dynamic_cast messages.
    """
    native.filegroup(
        name = name + "_protos",
        srcs = srcs + [_protos_of(dep) for dep in deps],
        visibility = visibility,
    )
    outs = []
    for src in srcs:
        stem = src[:-len(".proto")]
        outs += [stem + ".pb.h", stem + ".pb.cc"]
    native.genrule(
        name = name + "_gen",
        srcs = [":" + name + "_protos"],
        outs = outs,
        cmd = "$(location @com_google_protobuf//:protoc)" +
              " --proto_path=. --cpp_out=$(GENDIR) " +
              " ".join([_in_package(src) for src in srcs]),
        tools = ["@com_google_protobuf//:protoc"],
        testonly = testonly,
    )
    cc_library(
        name = name,
        srcs = [out for out in outs if out.endswith(".cc")],
        hdrs = [out for out in outs if out.endswith(".h")],
        copts = ["-w"],
        testonly = testonly,
        visibility = visibility,
        deps = deps + ["//third_party:protobuf"],
    )

def _in_package(src):
    package = native.package_name()
    return (package + "/" if package else "") + src

def _protos_of(label):
    if ":" in label:
        return label + "_protos"
    return label + ":" + label.split("/")[-1] + "_protos"
