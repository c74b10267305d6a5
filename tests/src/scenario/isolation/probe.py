# What attacks are written with; each tells what came back in a few words.
import ctypes, errno, json, os, socket, subprocess, sys

def attempt(expression):
    try:
        return str(eval(expression))
    except OSError as error:
        return "refused " + errno.errorcode.get(error.errno, str(error))

def entries(path):
    return "listed " + " ".join(sorted(os.listdir(path)))

def read(path):
    with open(path, "rb") as file:
        return "read " + file.read(4000).decode(errors="replace")

def write(path):
    with open(path, "ab"):
        return "wrote"

def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        return "connected"

def run(command):
    ran = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    return f"exit {ran.returncode}: " + ran.stdout.decode(errors="replace").strip()[-400:]

def status(*keys):
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return " ".join(f"{key}={lines[key].strip()}" for key in keys)

def uring():
    """io_uring_setup, which has the same number everywhere."""
    system = ctypes.CDLL(None, use_errno=True)
    if system.syscall(425, 4, ctypes.create_string_buffer(256)) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    return "made"

def vsock():
    with socket.socket(40, socket.SOCK_STREAM):
        return "made"

def owners():
    """Uids of all processes that are to be seen."""
    return "uids " + " ".join(sorted({str(os.stat(f"/proc/{name}").st_uid) for name in os.listdir("/proc") if name.isdigit()}))

print(json.dumps([attempt(expression) for expression in ATTACKS]))
