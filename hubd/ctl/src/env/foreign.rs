//! Files of other tools that look like lists of packages and are none that is read here, by their names. Pure.

use crate::failure::Failure;

/// How a file is called, whose it is, and what to do with it.
const FILES: [(&str, &str, &str); 12] = [
    ("poetry.lock", "Poetry", "poetry export --output requirements.txt"),
    ("pdm.lock", "PDM", "pdm export --output requirements.txt"),
    ("pipfile", "Pipenv", "pipenv requirements > requirements.txt"),
    ("pipfile.lock", "Pipenv", "pipenv requirements > requirements.txt"),
    ("pixi.toml", "pixi", "pixi workspace export conda-environment environment.yml"),
    ("pixi.lock", "pixi", "pixi workspace export conda-environment environment.yml"),
    ("conda-lock.yml", "conda-lock", "give the environment.yml that it was made of"),
    ("meta.yaml", "conda-build", "write an environment.yml with the packages it needs"),
    ("pylock.toml", "PEP 751", "uv export --format requirements-txt > requirements.txt"),
    ("setup.py", "setuptools", "uv pip compile setup.py --output-file requirements.txt"),
    ("setup.cfg", "setuptools", "uv pip compile setup.cfg --output-file requirements.txt"),
    ("hatch.toml", "Hatch", "hatch dep show requirements > requirements.txt"),
];

/// Why the file called `name`, in small letters, can't be used.
pub(super) fn refusal(name: &str) -> Option<Failure> {
    let (_, tool, remedy) = FILES.iter().find(|(file, ..)| *file == name)?;
    let message =
        format!("`{name}` is a file of {tool}; expected a requirements.txt, pyproject.toml, uv.lock or environment.yml");
    Some(Failure { hint: Some((*remedy).to_owned()), ..Failure::plain(message) })
}
