"""What a stranger meets: addresses, workflows, forms, the recipe, the wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import napari_scicompty as sc

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
URLS = PROJECT["urls"]
REPOSITORY = URLS["Source"]
PAGES = URLS["Documentation"]
OWNER = REPOSITORY.removeprefix("https://github.com/")
RAW = f"https://raw.githubusercontent.com/{OWNER}/main/"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
TEXTS = [
    ROOT / name
    for name in ("README.md", "CONTRIBUTING.md", "CITATION.cff", "mkdocs.yml")
]
TEXTS += [ROOT / "docs" / "index.md"]
TEXTS += [ROOT / "packaging" / "apptainer.def", ROOT / "packaging/conda/recipe.yaml"]
TEXTS += [form for form in FORMS if form.name == "config.yml"]
SAMPLE = "napari_scicompty/samples_data/siemens_star"


def _yaml(path: Path) -> Any:
    """Read a file; the word ``on`` of a workflow is True, as YAML 1.1 has it."""

    class Loader(yaml.SafeLoader):
        """Knows the tags of MkDocs' own file by nothing but their place."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


# -- addresses ----------------------------------------------------------------------
def test_the_addresses_agree_with_each_other() -> None:
    assert set(URLS) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert URLS["Issues"] == f"{REPOSITORY}/issues"
    assert URLS["Changelog"] == f"{REPOSITORY}/blob/main/CHANGELOG.md"
    assert PAGES.endswith("/")


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.name)
def test_every_address_of_ours_is_that_of_pyproject(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    places = r"github\.com|github\.io|githubusercontent\.com"
    found = re.findall(rf"https://[\w.-]*(?:{places})/[^\s)\"'>]*", text)
    ours = [address for address in found if "scicompty" in address]
    assert ours
    for address in ours:
        assert address.startswith((REPOSITORY, PAGES, RAW)), address


def test_every_address_of_ours_leads_to_a_file() -> None:
    pages = {p.stem for p in (ROOT / "docs").glob("*.md")}
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        for file in re.findall(rf"{re.escape(RAW)}([\w./-]+)", text):
            assert (ROOT / file).is_file(), f"{path.name}: {file}"
        for file in re.findall(rf"{re.escape(REPOSITORY)}/blob/main/([\w./-]+)", text):
            assert (ROOT / file).is_file(), f"{path.name}: {file}"
        for page in re.findall(rf"{re.escape(PAGES)}(\w+)/", text):
            assert page in pages, f"{path.name}: {page}"


def test_the_readme_works_where_there_is_no_repository_around_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_the_pages_know_their_address() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"site_url: {PAGES}\n" in text
    assert f"repo_url: {REPOSITORY}\n" in text


def test_the_citation_is_of_this_version() -> None:
    citation = _yaml(ROOT / "CITATION.cff")
    assert citation["version"] == sc.__version__
    assert citation["repository-code"] == REPOSITORY
    assert citation["url"] == PAGES
    assert citation["license"] == PROJECT["license"]
    titles = [paper["title"] for paper in citation["references"]]
    known = re.sub(
        r"\s+", " ", (ROOT / "docs/algorithms.md").read_text("utf-8")
    ).lower()
    assert [title for title in titles if title.lower() not in known] == []


# -- workflows and forms ------------------------------------------------------------
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_workflows_are_whole(path: Path) -> None:
    workflow = _yaml(path)
    assert workflow[True], "no event starts it"
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        needed = job.get("needs", [])
        for other in [needed] if isinstance(needed, str) else needed:
            assert other in workflow["jobs"], f"{name} needs {other}"
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), f"{name}: {step}"
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@(v\d+|release/v1)", step["uses"])


def test_every_file_that_a_workflow_names_exists() -> None:
    named = set()
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        named |= set(
            re.findall(r"(?<![\w/.-])((?:\.ci|scripts|docs|src)/[\w./-]+)", text)
        )
        named |= set(re.findall(r"-c (\S+\.txt)", text))
    assert {"scripts/setup.sh", "docs/make_pictures.py", "constraints.txt"} <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_extra_that_is_named_exists() -> None:
    extras = set(PROJECT["optional-dependencies"])
    for path in [*WORKFLOWS, *TEXTS]:
        text = path.read_text(encoding="utf-8")
        for group in re.findall(r"(?:-e \"\.|napari-scicompty)\[([\w,]+)\]", text):
            assert set(group.split(",")) <= extras, f"{path.name}: {group}"
        assert set(re.findall(r"--extra (\w+)", text)) <= extras, path.name


def test_every_python_that_is_promised_is_tested() -> None:
    promised = set(re.findall(r":: (3\.\d+)", "\n".join(PROJECT["classifiers"])))
    tests = _yaml(ROOT / ".github" / "workflows" / "test.yml")
    matrix = tests["jobs"]["tests"]["strategy"]["matrix"]
    tested = {*matrix["python"], *(more["python"] for more in matrix["include"])}
    assert tested == promised
    assert PROJECT["requires-python"] == f">={min(promised)}"


@pytest.mark.parametrize("path", FORMS, ids=lambda p: p.name)
def test_issue_forms_are_whole(path: Path) -> None:
    form = _yaml(path)
    if path.name == "config.yml":
        assert form["contact_links"]
        return
    assert form["name"]
    assert form["description"]
    ids = [part["id"] for part in form["body"]]
    assert len(set(ids)) == len(ids)
    for part in form["body"]:
        assert part["attributes"]["label"]


def test_the_report_of_a_bug_is_asked_for() -> None:
    form = _yaml(ROOT / ".github" / "ISSUE_TEMPLATE" / "bug_report.yml")
    (report,) = (part for part in form["body"] if part["id"] == "report")
    assert "Copy report" in report["attributes"]["description"]
    assert report["validations"]["required"]


# -- other ways to install ----------------------------------------------------------
def test_conda_installs_what_pip_does() -> None:
    recipe = _yaml(ROOT / "packaging" / "conda" / "recipe.yaml")
    assert recipe["schema_version"] == 1
    assert recipe["context"]["version"] == sc.__version__
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    other = {
        "torch": "pytorch",
        "matplotlib": "matplotlib-base",
        "napari": "napari-base",
    }
    wanted = set()
    for line in PROJECT["dependencies"]:
        need = Requirement(line)
        wanted.add(f"{other.get(need.name, need.name)} {need.specifier}")
    assert {r for r in recipe["requirements"]["run"] if "python " not in r} == wanted
    (entry,) = recipe["build"]["python"]["entry_points"]
    name, _, target = entry.partition(" = ")
    assert PROJECT["scripts"] == {name: target}
    about = recipe["about"]
    assert about["summary"] == PROJECT["description"]
    assert about["repository"] == REPOSITORY
    assert about["documentation"] == PAGES
    for licence in about["license_file"]:
        assert (ROOT / licence).is_file()


def test_every_dependency_has_a_lowest_version() -> None:
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    assert [line for line in lines if ">=" not in line] == []


def test_uv_knows_where_each_build_of_torch_is() -> None:
    uv = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    extras = {"cpu", "cuda", "rocm"}
    assert {source["extra"] for source in uv["sources"]["torch"]} == extras
    indexes = {index["name"]: index for index in uv["index"]}
    assert {source["index"] for source in uv["sources"]["torch"]} == set(indexes)
    assert all(index["explicit"] for index in indexes.values())
    (conflict,) = uv["conflicts"]
    assert {part["extra"] for part in conflict} == extras


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the container's script needs bash")
def test_the_container_is_tried_by_commands_that_exist(tmp_path: Path) -> None:
    """What %test runs is run here, too."""
    text = (ROOT / "packaging" / "apptainer.def").read_text(encoding="utf-8")
    for line in re.findall(r"^    (\S+) /opt/scicompty/\S+$", text, re.MULTILINE):
        assert (ROOT / line).exists(), line
    script = text.partition("%test\n")[2].partition("\n%")[0]
    commands = re.sub(r"\\\n", " ", script)
    main = "from napari_scicompty.cli import main; main()"
    run = f"scicompty() {{ '{sys.executable}' -c '{main}' \"$@\"; }}\n"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", run + commands],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- sdist and wheel ----------------------------------------------------------------
def _build(source: Path, into: Path, kind: str) -> Path:
    """Build an sdist or a wheel, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)]
    subprocess.run(command, cwd=source, check=True, timeout=120, capture_output=True)
    (built,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, as a stranger's pip does where it must."""
    folder = tmp_path_factory.mktemp("build")
    sdist = _build(ROOT, folder, "sdist")
    shutil.unpack_archive(sdist, folder / "unpacked")
    (source,) = (folder / "unpacked").iterdir()
    for name in ("README.md", "LICENSE", "CITATION.cff", "scripts/setup.sh", "check"):
        assert (source / name).is_file(), f"{name} is not in the sdist"
    return _build(source, folder, "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment: the wheel, and what it needs from this one."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = Path(_says(python, "import site; print(site.getsitepackages()[-1])"))
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    command += ["--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, timeout=120)
    # Last, so that the wheel goes first; a .pth in a .pth's folder is not followed, so
    # the editable source of the tests is not seen.
    others = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    return python


def _says(python: Path, code: str, **environment: str) -> str:
    """Run code in a process whose path knows nothing of this checkout."""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", code],
        env=clean | environment,
        cwd=python.parent,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_wheel_holds_the_manifest_the_types_marker_and_the_sample(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"napari_scicompty/napari.yaml", "napari_scicompty/py.typed"} <= names
    assert {f"{SAMPLE}.cxi", f"{SAMPLE}_LICENSE.txt"} <= names
    assert not {n for n in names if n.startswith("tests/")}
    assert wheel.stat().st_size < 3e6
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = (n for n in names if n.endswith(".dist-info/METADATA"))
        text = file.read(metadata).decode()
    for name, address in URLS.items():
        assert f"Project-URL: {name}, {address}\n" in text


@pytest.mark.slow
def test_the_installed_wheel_is_a_valid_plugin(installed: Path, tmp_path: Path) -> None:
    where = _says(
        installed, "import napari_scicompty; print(napari_scicompty.__file__)"
    )
    assert Path(where).is_relative_to(installed.parents[1])
    check = "import sys; from npe2.cli import main; sys.argv[1:] = "
    check += "['validate', '--imports', 'napari-scicompty']; main()"
    said = _says(installed, check, NAPARI_CONFIG=str(tmp_path / "napari.yaml"))
    assert "valid" in said


@pytest.mark.slow
@pytest.mark.gui
def test_the_installed_wheel_opens_its_dock_and_its_sample(
    installed: Path, tmp_path: Path
) -> None:
    code = """
import time
import napari, napari_scicompty
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
dock = viewer.window.add_plugin_dock_widget("napari-scicompty", "Reconstruction")[1]
QApplication.processEvents()
assert dock.isVisible() and type(dock).__name__ == "Reconstruction"
viewer.open_sample("napari-scicompty", "siemens-star-measured")
end = time.monotonic() + 60
while dock.controller.scan is None and time.monotonic() < end:
    QApplication.processEvents()
    time.sleep(0.02)
print(napari_scicompty.__file__)
print(dock.controller.scan.patterns.shape)
viewer.close()
"""
    user = {f"XDG_{k}_HOME": str(tmp_path / k) for k in ("CONFIG", "DATA", "STATE")}
    said = _says(installed, code, NAPARI_CONFIG=str(tmp_path / "napari.yaml"), **user)
    *_, where, shape = said.splitlines()
    assert Path(where).is_relative_to(installed.parents[1])
    assert shape == "(132, 128, 128)"
