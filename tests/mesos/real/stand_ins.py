"""Builds the shared libraries that libmesos-1.11.so is linked to and that Debian 12 has not: OpenSSL 1.0, a libcurl with
that OpenSSL's symbol versions, and the symbols that only a Python process has. Every function returns zero (or one,
where zero means failure to a caller that goes on): TLS stays off and no Python is there, so none of them matters.

Usage: stand_ins.py DIRECTORY, which holds libmesos-1.11.so and gets the stand-ins.
"""
import collections
import pathlib
import re
import subprocess
import sys

LIB = pathlib.Path(sys.argv[1])
LIBMESOS = LIB / "libmesos-1.11.so"
PYTHON_DATA = {"PyExc_Exception", "PyExc_TypeError", "_Py_NoneStruct"}
ANSWERS_ONE = {"SSL_library_init", "CRYPTO_num_locks"}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wanted_symbols():
    """{name: symbol version or ""} of everything libmesos takes from elsewhere."""
    row = re.compile(r"\*UND\*\s+[0-9a-f]+\s+(?:\(?([\w.]+)\)?\s+)?(\S+)$", re.MULTILINE)
    return {name: version or "" for version, name in row.findall(output("objdump", "-T", LIBMESOS))}


def wanted_versions():
    """{library: [symbol version]} that libmesos expects, each of which the library must define, used or not."""
    versions, library = collections.defaultdict(list), None
    for line in output("readelf", "-VW", LIBMESOS).splitlines():
        if match := re.search(r"File: (\S+)", line):
            library = match[1]
        elif match := re.search(r"Name: (\S+)\s+Flags", line):
            versions[library].append(match[1])
    return versions


def build(soname, functions, data=(), versions=()):
    """functions: {name: symbol version}."""
    source = "".join(f"long {name}(void) {{ return {int(name in ANSWERS_ONE)}; }}\n" for name in sorted(functions))
    source += "".join(f"char {name}[1024];\n" for name in sorted(data))
    command = ["gcc", "-shared", "-fPIC", "-w", "-x", "c", "-", f"-Wl,-soname,{soname}", "-o", LIB / soname]
    if versions:
        script = LIB / f"{soname}.map"
        script.write_text("".join(
            "%s { global: %s };\n" % (version, " ".join(f"{n};" for n, v in functions.items() if v == version))
            for version in versions))
        command.append(f"-Wl,--version-script={script}")
    subprocess.run(command, input=source, text=True, check=True)


symbols, versions = wanted_symbols(), wanted_versions()
openssl = {name: version for name, version in symbols.items() if version.startswith("OPENSSL_1.0")}
ssl = {name: version for name, version in openssl.items() if re.match(r"D?TLS|SSL", name)}
crypto = {name: version for name, version in openssl.items() if name not in ssl}
curl = {name: version for name, version in symbols.items() if version == "CURL_OPENSSL_3"}
python = {name: "" for name in symbols if re.match(r"_?Py", name) and name not in PYTHON_DATA}
build("libssl.so.1.0.0", ssl, versions=versions["libssl.so.1.0.0"])
build("libcrypto.so.1.0.0", crypto, versions=versions["libcrypto.so.1.0.0"])
build("libcurl.so.4", curl, versions=versions["libcurl.so.4"])
build("libpystub.so", python, PYTHON_DATA)
