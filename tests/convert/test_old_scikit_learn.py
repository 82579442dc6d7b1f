"""Pickles that older versions of scikit-learn wrote, imported by the command that the refusal names."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradus_runtime import Predictor
from gradus_runtime.cli import main

UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
VERSIONS = ["1.5.2", *(["1.2.2"] if sys.version_info < (3, 12) else [])]  # 1.2.2 has no wheels for 3.12

WRITE = """
import pickle, sys
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.ensemble import RandomForestClassifier
random = np.random.default_rng(0)
X = random.normal(size=(300, 4)).astype(np.float32)
y = np.digitize(X[:, 0] + X[:, 3], [-0.5, 0.5])
models = {
    "forest": RandomForestClassifier(5, max_depth=4, random_state=0).fit(X, y),
    "histograms": HistGradientBoostingClassifier(max_iter=4).fit(X, y),
}
if hasattr(GradientBoostingClassifier, "_get_loss"):  # from 1.4 on: docs/migrating.md
    models["boosted"] = GradientBoostingClassifier(n_estimators=4, max_depth=2).fit(X, y)
ensemble = {"models": models, "weights": dict.fromkeys(models, 1.0), "feature_names": list("abcd")}
with open(sys.argv[1], "wb") as file:
    pickle.dump(ensemble, file)
votes = [m.predict_proba(X) for m in models.values()]
np.savez(sys.argv[2], X=X, probabilities=np.mean(votes, axis=0))
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(UV is None, reason="uv makes the throwaway environments, and is not here"),
]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_command_that_the_refusal_names_imports_the_file(tmp_path, capsys, monkeypatch, version):
    path, wanted = tmp_path / "old.pkl", tmp_path / "wanted.npz"
    writer = [
        UV,
        "run",
        "-q",
        "--no-project",
        "--python",
        sys.executable,
        "--with",
        f"scikit-learn=={version}",
    ]
    done = [*writer, "--with", "numpy<2", "python", "-c", WRITE, str(path), str(wanted)]
    subprocess.run(done, check=True, cwd=tmp_path)

    rest = [str(path), "--store", str(tmp_path / "old-forest"), "--classes", "SELL,HOLD,BUY", "--pin"]
    assert main(["import", *rest]) == 3
    message = capsys.readouterr().err
    assert f"written by {version}, installed" in message
    (command,) = re.findall(r"(uv run .*? gradus import) \.\.\.", message)

    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    told = [UV, *shlex.split(command)[1:], *rest]
    subprocess.run(told, check=True, cwd=tmp_path)
    with np.load(wanted) as answers, Predictor.open(tmp_path / "old-forest") as bot:
        got = bot.predict_proba(answers["X"], ordered=True)
        np.testing.assert_allclose(got, answers["probabilities"], rtol=0, atol=1e-6)
