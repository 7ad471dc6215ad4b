"""What the results were measured on."""
import os
import pathlib
import re
import subprocess


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    out = done.stdout.strip().splitlines()
    return out[0].strip() if out and done.returncode == 0 else None


def cpu_name():
    match = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return match.group(1) if match else "unknown"


def cpu_flags():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    have = set(re.search(r"^flags\s*:\s*(.*)$", text, re.M).group(1).split()) if "flags" in text else set()
    return [flag for flag in ("aes", "vaes", "vpclmulqdq", "sha_ni", "avx2", "avx512f") if flag in have]


def package(name):
    return first_line("dpkg-query", "-W", "-f", "${Version}", name) or "not installed"


def libsrtp_build():
    """libsrtp is Janus's; which crypto library it was built on decides its speed."""
    path = next(iter(pathlib.Path("/usr/lib").glob("*/libsrtp2.so.1")), None)
    if path is None:
        return "not installed"
    linked = subprocess.run(["ldd", str(path)], capture_output=True, text=True).stdout
    on = "NSS" if "libnss3" in linked else "OpenSSL" if "libcrypto" in linked else "its own code"
    return f"{package('libsrtp2-1')}, crypto from {on}"


def describe(root, null_call):
    load = os.getloadavg()
    git = ("git", "-c", f"safe.directory={root}", "-C", str(root))  # root looks at another's tree
    return {
        "kernel": " ".join(os.uname()[i] for i in (0, 2, 4)),
        "cpu": cpu_name(),
        "cpu_flags": cpu_flags(),
        "cores": os.cpu_count(),
        "load_average_at_start": [round(value, 2) for value in load],
        "null_system_call_ns": null_call_ns(null_call),
        "libsrtp": libsrtp_build(),
        "ipsec_mb": package("libipsec-mb1"),
        "janus": package("janus"),
        "commit": first_line(*git, "rev-parse", "HEAD"),
        "uncommitted_changes": bool(first_line(*git, "status", "--porcelain",
                                               "--untracked-files=no", "--", "src", "bench", "CMakeLists.txt", "cmake",
                                               ":!bench/results")),
    }


def null_call_ns(program):
    text = first_line("taskset", "-c", "0", str(program))
    return float(text) if text else None
