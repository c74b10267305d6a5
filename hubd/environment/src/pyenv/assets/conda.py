"""What a build asks of conda's world, through py-rattler: `python -I conda.py TOOL solve|download|install REQUEST ...`.

TOOL is the directory that py-rattler lies in. What can't be done is said on standard error, in the library's own words.
No script of any package is run: `execute_link_scripts` stays off.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sys
import urllib.parse

TOOL, VERB, *ARGUMENTS = sys.argv[1:]
sys.path.insert(0, TOOL)

import rattler  # noqa: E402
from rattler.package_streaming import download_to_path  # noqa: E402

CERTIFICATES = 'tls-root-certs = "system"'
BLOCK = 1 << 20


def leave(code):
    """Threads of the library still use Python when it takes itself down, and crash now and then; so it does not."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def fail(text):
    print(f"error: {text}".rstrip(), file=sys.stderr)
    leave(1)


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def client():
    return rattler.Client.from_config(rattler.Config.from_toml(CERTIFICATES), timeout=300)


def installed(prefix, upgrade):
    """The records of an earlier generation, but for what may get newer."""
    if prefix is None or upgrade == "everything":
        return []
    directory = os.path.join(prefix, "conda-meta")
    names = (os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".json"))
    records = map(rattler.PrefixRecord.from_path, names)
    return [record for record in records if record.name.normalized not in upgrade]


async def solve(request, result, cache):
    """Writes to `result` the records of packages that go together."""
    asked = read(request)
    gateway = rattler.Gateway(cache_dir=cache, client=client())
    records = await rattler.solve(
        asked["channels"],
        [rattler.MatchSpec(spec) for spec in asked["specs"]],
        gateway=gateway,
        virtual_packages=rattler.VirtualPackage.detect(),
        locked_packages=installed(asked["installed"], asked["upgrade"]),
        # What a channel says of others is no reason to ask them.
        channel_relations="disabled",
    )
    with open(result, "w", encoding="utf-8") as file:
        json.dump([json.loads(record.to_json()) for record in records], file)


def local(record):
    return urllib.parse.unquote(urllib.parse.urlsplit(record["url"]).path)


def check(record):
    """py-rattler takes the files of a local channel as they are; the hash of what it downloads it checks by itself."""
    if not record["url"].startswith("file:"):
        return
    path = local(record)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != record["sha256"]:
        fail(f"hash mismatch for {path}: expected {record['sha256']}, got {digest.hexdigest()}")


async def download(lock, target, _cache):
    """Puts the archives of what `lock` names into `target`, each called by its hash. Root looks whether it is."""
    os.makedirs(target)
    known, http = read(lock), client()
    for number, one in enumerate(known, 1):
        print(f"{number} of {len(known)}", flush=True)
        path = os.path.join(target, one["sha256"])
        if one["url"].startswith("file:"):
            shutil.copyfile(local(one), path)
        else:
            await download_to_path(http, one["url"], path)


def record_of(known):
    package = rattler.PackageRecord(
        known["name"],
        known["version"],
        rattler.BuildString(known["build"]),
        known["build_number"],
        known["subdir"],
        noarch=known.get("noarch"),
        depends=known["depends"],
        constrains=known["constrains"],
        sha256=bytes.fromhex(known["sha256"]),
        size=known.get("size"),
        python_site_packages_path=known.get("python_site_packages_path"),
    )
    return rattler.RepoDataRecord(package, known["fn"], known["url"], known["channel"])


class Reporter(rattler.InstallerReporter):
    def on_populate_cache_start(self, operation, package_name):
        print(f"fetching {package_name}", flush=True)
        return operation


async def install(lock, prefix, cache):
    """Puts exactly what `lock` names into `prefix`, which is baked into the files."""
    known = read(lock)
    for one in known:
        check(one)
    await rattler.install(
        [record_of(one) for one in known],
        prefix,
        cache_dir=cache,
        client=client(),
        execute_link_scripts=False,
        reporter=Reporter(),
    )


try:
    asyncio.run({"solve": solve, "download": download, "install": install}[VERB](*ARGUMENTS))
except (ValueError, OSError) as error:
    fail(f"{error}")
except Exception as error:
    # The library's exceptions have no base class of their own, and their words are meant for people.
    if type(error).__module__ != "exceptions":
        raise
    fail(f"{error}")
leave(0)
