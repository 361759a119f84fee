"""Nothing from outside is ever run: no eval, no pickle, no loader that runs what it reads, no shell."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("models", "experiments", "ablations", "analysis")

_NEVER = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "marshal.load", "marshal.loads", "shelve.open", "dill.load", "dill.loads", "joblib.load", "cloudpickle.load",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle", "pd.read_pickle", "torch.hub.load", "runpy.run_path",
    "subprocess.getoutput", "subprocess.getstatusoutput", "xml.sax.parse",
}  # fmt: skip
_CONFIGS = {"Config.fromfile", "Config.fromstring", "Config.file2dict"}  # a config is Python, which its user names
_MAY_READ_CONFIGS = {"experiments/config.py"}


def dangers(code: str, name: str = "x.py") -> Iterator[str]:
    """What a module calls that may run what it is given; imports under another name are not followed."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "marshal", "dill", "joblib", "shelve"):
            yield f"{name}:{node.lineno} from {node.module} import"
        if not isinstance(node, ast.Call):
            continue
        called, options = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if (
            called in _NEVER
            or (called == "torch.load" and options.get("weights_only") != "True")
            or (called in ("np.load", "numpy.load") and options.get("allow_pickle", "False") != "False")
            or (called.startswith("subprocess.") and options.get("shell", "False") != "False")
            or (called in _CONFIGS and name not in _MAY_READ_CONFIGS)
        ):
            yield f"{name}:{node.lineno} {called}"


def test_our_packages_run_nothing_from_outside() -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 100
    found = [
        danger for path in files for danger in dangers(path.read_text(), path.relative_to(ROOT).as_posix())
    ]  # fmt: skip
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "eval(text)", "exec(open(path).read())", "import pickle\npickle.load(file)", "from pickle import loads", "torch.load(path)",
        "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "yaml.load(text)", "os.system(command)",
        "subprocess.run(command, shell=True)", "Config.fromfile(path)", "pd.read_pickle(path)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(code: str) -> None:
    assert len(list(dangers(code))) == 1


@pytest.mark.parametrize(
    "code", ["model.eval()", "torch.load(path, weights_only=True)", "yaml.safe_load(text)", "re.compile(pattern)"]
)
def test_and_nothing_else(code: str) -> None:
    assert list(dangers(code)) == []
