#!/usr/bin/env python3
"""Says what the programs of a release are made of, as CycloneDX JSON on standard output: sbom.py VERSION TARGET

Cargo tells what is linked into them for that target, and Cargo.lock the checksums. The same sources give the same bytes.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"(?P<depth>\d+)(?P<name>[^ ]+) v(?P<version>[^ ;]+)[^;]*;(?P<license>[^;]*);(?P<repository>[^ ]*)")


def linked(target):
    """The packages with what each needs, and the programs' own packages."""
    command = ["cargo", "tree", "--locked", "--manifest-path", ROOT / "Cargo.toml", "--target", target, "--no-dedupe"]
    command += ["--edges", "normal", "--prefix", "depth", "--format", "{p};{l};{r}"]
    for line in (ROOT / "hubd/programs").read_text().splitlines():
        if not line.startswith("#"):
            command += ["--package", line.split()[1]]
    packages, own, path = {}, set(), []
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        if not line:
            continue
        found = LINE.match(line)
        depth, name, version = int(found["depth"]), found["name"], found["version"]
        reference = f"pkg:cargo/{name}@{version}"
        if reference not in packages:
            packages[reference] = {"name": name, "version": version, "needs": set(), **found.groupdict()}
        if depth == 0:
            own.add(reference)
        path[depth:] = [reference]
        if depth > 0:
            packages[path[depth - 1]]["needs"].add(reference)
    return packages, own


def component(reference, package, checksums):
    """One package in the words of CycloneDX."""
    described = {"type": "library", "bom-ref": reference, "name": package["name"], "version": package["version"]}
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["license"]:
        # An older way to say that one may choose.
        described["licenses"] = [{"expression": re.sub(r" ?/ ?", " OR ", package["license"])}]
    if checksum:
        described["purl"] = reference
    if package["repository"]:
        described["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return described


def main(version, target):
    """Prints it."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}
    packages, own = linked(target)
    rust = subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[1]
    components = [component(reference, packages[reference], checksums) for reference in sorted(packages)]
    standard = {"type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": rust}
    standard["licenses"] = [{"expression": "MIT OR Apache-2.0"}]
    needs = [{"ref": reference, "dependsOn": sorted(packages[reference]["needs"])} for reference in sorted(packages)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": "hubd", "name": "hubd", "version": version},
            "properties": [{"name": "cdx:reproducible", "value": "true"}, {"name": "hubd:target", "value": target}],
        },
        "components": [*components, standard],
        "dependencies": [{"ref": "hubd", "dependsOn": sorted([*own, "rust-std"])}, *needs],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


main(*sys.argv[1:])
