"""What a plan may say, which cells come of it, and what tells one cell from another."""

import dataclasses
import itertools
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_bench import content_of

from acofer.bench.budget import Budget
from acofer.bench.plan import _CONTENDER_KEYS, _PLAN_KEYS, ALL_PROTOCOLS, FIVE_CLASSES, TIMEOUT, plan_of, read_plan
from acofer.bench.selectors import SELECTORS
from acofer.config.search import SearchConfig
from acofer.errors import ConfigError, MissingFileError

COLONY = {"selector": "colony", "size": 64}


def cells_of(*contenders, **more):
    return plan_of(content_of(*contenders, **more), "made").cells


def cell_of(contender=COLONY, **more):
    (cell,) = cells_of(contender, **more)
    return cell


def test_every_list_stands_for_each_of_its_values():
    cells = cells_of(
        {
            "selector": ["colony", "random-search"],
            "size": [4, 8, 16],
            "classifier": ["auto", "LogisticRegression"],
            "protocol": ["clean", "five-classes"],
            "seeds": [1, 2],
            "budget": [{"evaluations": 5}, {"seconds": 2.5}],
        },
        setting={"split_seeds": [3, 4, 5]},
    )
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 3 * 2 * 2 * 2 * 2 * 3
    assert {cell.selector for cell in cells} == {"colony", "random-search"}
    assert {cell.size for cell in cells} == {4, 8, 16} == {cell.config.size for cell in cells}
    assert {cell.config.classifier for cell in cells} == {"auto", "LogisticRegression"}
    assert {(cell.protocol, cell.config.classes) for cell in cells} == {
        ("clean", None),
        ("five-classes", FIVE_CLASSES),
    }
    assert {cell.config.seed for cell in cells} == {1, 2}
    assert {cell.config.split_seed for cell in cells} == {3, 4, 5}
    assert {cell.budget for cell in cells} == {Budget(evaluations=5), Budget(seconds=2.5)}


def test_defaults():
    plan = plan_of(
        {"setting": [{"name": "a"}, {"name": "b"}], "contender": [{"selector": "anova-f", "size": 5}]}, "of the file"
    )
    assert (plan.name, plan.reference) == ("of the file", "anova-f")
    assert [(cell.setting, cell.is_null) for cell in plan.cells] == [
        ("a", False), ("a", True), ("b", False), ("b", True)
    ]  # fmt: skip
    for cell in plan.cells:
        expected = SearchConfig(data="demo", size=5, seed=0, split_seed=0, protocol="clean", memo="off").settled()
        assert cell.config == expected
        assert (cell.timeout, cell.budget, cell.protocol, cell.knobs) == (TIMEOUT, None, "clean", {})


def test_what_a_contender_says_goes_before_what_the_plan_says():
    plan = {"seeds": [1], "timeout": 5, "budget": {"evaluations": 3}, "null_test": True}
    own = {"seeds": 2, "timeout": 0, "budget": {"seconds": 4}, "null_test": False, "name": "mine", "set": {"ants": 7}}
    cells = cells_of(COLONY, {**COLONY, **own}, **plan)
    assert [(c.contender, c.config.seed, c.timeout, c.budget, c.is_null) for c in cells] == [
        ("colony", 1, 5.0, Budget(evaluations=3), False),
        ("mine", 2, 0.0, Budget(seconds=4), False),
        ("colony", 1, 5.0, Budget(evaluations=3), True),
    ]
    assert cells[1].knobs == {**cells[0].knobs, "ants": 7}


def test_a_null_test_is_one_cell_a_clean_contender():
    protocols = ["clean", "five-classes"]
    cells = cells_of({**COLONY, "seeds": [4, 5, 6], "protocol": protocols}, {"net": "small-cnn"}, null_test=True)
    (null,) = [cell for cell in cells if cell.is_null]
    assert (null.selector, null.protocol, null.config.seed) == ("colony", "clean", 4)


def test_problems_run_side_by_side_and_networks_last():
    content = content_of(
        {"net": "small-cnn", "settings": "made"}, {"selector": ["all", "pca"], "size": 4}, seeds=[0, 1], null_test=True
    )
    content["setting"].append({"name": "other"})
    cells = plan_of(content, "made").cells
    is_net = [cell.net is not None for cell in cells]
    assert is_net == sorted(is_net)
    turns = [cell.problem for cell in cells if not cell.net]
    changes = sum(one != other for one, other in itertools.pairwise(turns))
    assert changes + 1 == len(set(turns)) == 2 * 3  # of each setting: two seeds, and shuffled labels


def test_binary_accuracy_is_no_run_of_its_own():
    assert cells_of({**COLONY, "protocol": ["clean", "binary-accuracy"]}) == cells_of(COLONY)


def test_a_selector_that_takes_no_size_is_there_once():
    (cell,) = cells_of({"selector": "all", "size": [4, 8, 16]})
    assert cell.size is None


def test_a_network_gets_the_settings_pictures_and_its_own_options():
    (cell,) = cells_of(
        {"net": "small-cnn", "set": {"epochs": 2, "units": 8}, "protocol": "five-classes", "seeds": 3},
        setting={"split": "stratified", "split_seeds": 5, "on_broken": "skip"},
    )
    config = cell.config
    assert (cell.net, cell.selector, cell.budget, cell.size) == ("small-cnn", None, None, None)
    assert (config.net, config.epochs, config.net_params) == ("small-cnn", 2, {"units": 8})
    assert (config.split, config.split_seed, config.seed, config.on_broken) == ("stratified", 5, 3, "skip")
    assert config.classes == FIVE_CLASSES


WRONG = [
    ({"sedes": [0]}, "unknown key 'sedes' in the plan; did you mean 'seeds'?"),
    ({"seeds": "a"}, "seeds: expected whole numbers of at least 0; got 'a'"),
    ({"seeds": []}, "seeds: expected whole numbers of at least 0; got []"),
    ({"seeds": [0, -1]}, "seeds: expected whole numbers of at least 0; got [0, -1]"),
    ({"seeds": [True]}, "seeds: expected whole numbers of at least 0; got [True]"),
    ({"seeds": 1.5}, "seeds: expected whole numbers of at least 0; got 1.5"),
    ({"timeout": -1}, "timeout: expected seconds, 0 for none; got -1"),
    ({"timeout": "1 h"}, "timeout: expected seconds, 0 for none; got '1 h'"),
    ({"timeout": True}, "timeout: expected seconds, 0 for none; got True"),
    ({"timeout": float("nan")}, "timeout: expected seconds, 0 for none; got nan"),
    ({"null_test": "no"}, "null_test: expected true or false; got 'no'"),
    ({"workers": "2"}, "workers: expected a whole number; got '2'"),
    ({"workers": -1}, "workers: expected a whole number: 0 or more; got -1"),
    ({"name": 3}, "name: expected a text; got 3"),
    ({"name": " "}, "name: expected a text; got ' '"),
    ({"reference": "colny"}, "reference: no contender is called 'colny'; did you mean 'colony'?"),
    ({"reference": ["colony"]}, "reference: no contender is called ['colony']"),
    ({"budget": 60}, "budget: expected e.g. { evaluations = 60 } for colony, which searches; got 60"),
    ({"budget": None}, "budget: expected e.g. { evaluations = 60 } for colony, which searches; got None"),
    ({"budget": []}, "[[contender]] budget: expected one value at least; got []"),
    ({"budget": {}}, "budget: expected evaluations, seconds or both; got neither"),
    ({"budget": {"evaluation": 3}}, "unknown key 'evaluation' in the budget; did you mean 'evaluations'?"),
    ({"budget": {"evaluations": 0}}, "budget: evaluations: expected a whole number of at least 1; got 0"),
    ({"setting": []}, "setting: expected at least one table [[setting]]; got []"),
    ({"setting": {"name": "a"}}, "setting: expected at least one table [[setting]]; got {'name': 'a'}"),
    ({"setting": ["a"]}, "setting: expected at least one table [[setting]]; got ['a']"),
    ({"setting": [{"data": "demo"}]}, "[[setting]] name: expected a text; got None"),
    ({"setting": [{"name": ["a"]}]}, "[[setting]] name: expected a text; got ['a']"),
    ({"setting": [{"name": "a"}, {"name": "a"}]}, "setting: expected different names; got 'a' 2 times"),
    ({"contender": "colony"}, "contender: expected at least one table [[contender]]; got 'colony'"),
]


@pytest.mark.parametrize(("more", "words"), WRONG, ids=str)
def test_a_wrong_plan_is_one_clear_line(more, words):
    content = {**content_of(COLONY), **more}
    with pytest.raises(ConfigError) as caught:
        plan_of(content, "made")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


WRONG_SETTINGS = [
    ({"imagesize": 48}, "unknown key 'imagesize' in [[setting]]; did you mean 'image_size'?"),
    ({"image_size": "big"}, "image_size: expected a whole number: at least 32; got 'big'"),
    ({"scorer": "rigde"}, "rigde"),
    ({"ants": 10}, "unknown key 'ants' in [[setting]]"),  # a knob of contenders
    ({"seed": 1}, "unknown key 'seed' in [[setting]]"),
    ({"protocol": "clean"}, "unknown key 'protocol' in [[setting]]"),
    # What the plan decides itself was taken without a word, and passed over.
    ({"split_seed": 3}, "unknown key 'split_seed' in [[setting]]; did you mean 'split_seeds'?"),
    ({"classifier": "LogisticRegression"}, "unknown key 'classifier' in [[setting]]"),
    ({"memo": "on"}, "unknown key 'memo' in [[setting]]"),
    ({"split_seeds": "a"}, "split_seeds: expected whole numbers of at least 0; got 'a'"),
    ({"data": [["demo"]]}, "data: expected"),
    ({"scorer_params": 3}, "scorer_params: expected a table; got 3"),
]


@pytest.mark.parametrize(("setting", "words"), WRONG_SETTINGS, ids=str)
def test_a_wrong_setting_is_one_clear_line(setting, words):
    with pytest.raises(ConfigError) as caught:
        cells_of(COLONY, setting=setting)
    assert words in str(caught.value)


WRONG_CONTENDERS = [
    ({**COLONY, "sise": 3}, "unknown key 'sise' in [[contender]]; did you mean 'size'?"),
    ({"selector": "colny", "size": 3}, "selector: 'colny' is unknown; did you mean 'colony'?"),
    ({"selector": 3, "size": 3}, "selector: 3 is unknown"),
    ({"selector": [["colony"]], "size": 3}, "selector: ['colony'] is unknown"),
    ({"selector": [{"a": 1}], "size": 3}, "selector: {'a': 1} is unknown"),
    ({"selector": [], "size": 3}, "[[contender]] what: expected one value at least; got []"),
    ({"net": "smal-cnn"}, "did you mean 'small-cnn'?"),
    ({"net": 3}, "3"),
    ({"size": 3}, "[[contender]]: expected a selector or a net; got {'size': 3}"),
    ({**COLONY, "net": "small-cnn"}, "[[contender]]: expected a selector or a net; got {"),
    ({**COLONY, "protocol": "leaky-smote-frist"}, "'leaky-smote-frist' is unknown; did you mean 'leaky-smote-first'?"),
    ({**COLONY, "protocol": 3}, "protocol: 3 is unknown; known: binary-accuracy, clean"),
    ({**COLONY, "settings": "mad"}, "settings: 'mad' is unknown; did you mean 'made'?"),
    ({**COLONY, "settings": [["made"]]}, "settings: ['made'] is unknown"),
    ({**COLONY, "settings": {"made": 1}}, "settings: {'made': 1} is unknown"),
    ({"net": "small-cnn", "size": 3}, "[[contender]]: size is of selectors, and 'small-cnn' is a network; remove it"),
    ({"net": "small-cnn", "classifier": "SVC"}, "classifier is of selectors, and 'small-cnn' is a network"),
    ({**COLONY, "settings": []}, "[[contender]] setting: expected one value at least; got []"),
    ({**COLONY, "set": "ants"}, "set: expected a table, e.g. { ants = 10 }; got 'ants'"),
    ({**COLONY, "set": []}, "set: expected a table, e.g. { ants = 10 }; got []"),
    ({**COLONY, "set": {"ant": 10}}, "colony: there is no setting 'ant'; did you mean 'ants'?"),
    ({**COLONY, "set": {"ants": 0}}, "colony: ants: expected a whole number from 1 to 200; got 0"),
    ({**COLONY, "set": {"ants": "a"}}, "colony: ants: expected a whole number from 1 to 200; got 'a'"),
    ({**COLONY, "set": {"heuristic": ["f"]}}, "colony: heuristic: expected one of auto"),
    ({"selector": "all", "set": {"ants": 10}}, "all: there is no setting 'ants'; it has none"),
    ({"selector": "anova-f"}, "anova-f: size: expected the number of features to choose; got None; set e.g. size = 64"),
    ({"selector": "anova-f", "size": "auto"}, "anova-f: size: expected the number of features to choose; got 'auto'"),
    # These were found out when the cell ran, hours later.
    ({"selector": "anova-f", "size": "4:8"}, "anova-f: size: expected the number of features to choose; got '4:8'"),
    ({"selector": "colony", "size": "many"}, "size: expected a number of features, a share below 1 (0.1)"),
    ({"selector": "colony", "size": 0}, "size: expected a number of features, a share below 1 (0.1)"),
    ({"selector": "colony", "size": 3.5}, "size: expected a number of features, a share below 1 (0.1)"),
    ({"selector": "colony", "size": True}, "size: expected a number, share, range or auto; got True"),
    ({"selector": "colony", "size": {"a": 1}}, "size: expected"),
    ({**COLONY, "seeds": "a"}, "seeds: expected whole numbers of at least 0; got 'a'"),
    ({**COLONY, "timeout": -1}, "timeout: expected seconds, 0 for none; got -1"),
    ({**COLONY, "budget": "much"}, "budget: expected e.g. { evaluations = 60 } for colony, which searches; got 'much'"),
    ({**COLONY, "null_test": 1}, "null_test: expected true or false; got 1"),
    ({**COLONY, "name": ["a"]}, "[[contender]] name: expected a text; got ['a']"),
    ({**COLONY, "classifier": "LogisticRegresion"}, "LogisticRegresion"),
    ({"net": "small-cnn", "protocol": "validation-as-test"}, "networks know the protocols clean and five-classes; got"),
    ({"net": "small-cnn", "protocol": "leaky-smote-first"}, "networks know the protocols clean and five-classes; got"),
    ({"net": "small-cnn", "set": {"epoch": 3}}, "unknown key 'epoch' in the set of small-cnn; did you mean 'epochs'?"),
    ({"net": "small-cnn", "set": {"epochs": 0}}, "epochs: expected auto, or a whole number of at least 1; got 0"),
    # A network that chose its own pictures, or its own seed, would be compared with others all the same.
    *(
        ({"net": "small-cnn", "set": {key: value}}, f"unknown key {key!r} in the set of small-cnn")
        for key, value in {"data": "demo", "classes": "Sad,Happy", "split_seed": 1, "seed": 5, "net": "hybrid"}.items()
    ),
    ({**COLONY, "protocol": "validation-as-test"}, "protocol validation-as-test scores subsets on one part"),
    ({**COLONY, "protocol": "leaky-smote-first"}, "protocol leaky-smote-first needs SMOTE; got balance none"),
]


@pytest.mark.parametrize(("contender", "words"), WRONG_CONTENDERS, ids=str)
def test_a_wrong_contender_is_one_clear_line(contender, words):
    with pytest.raises(ConfigError) as caught:
        cells_of(contender)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_that_differ_do_not_share_a_name():
    """Their figures were put together as if they were seeds of one."""
    with pytest.raises(ConfigError, match="two that differ are called 'colony'; give one another name"):
        cells_of(COLONY, {**COLONY, "set": {"ants": 7}})
    with pytest.raises(ConfigError, match="two that differ are called 'mine'"):
        cells_of({"name": "mine", "selector": ["anova-f", "mrmr"], "size": 4})
    assert len(cells_of(COLONY, COLONY)) == 1
    assert len(cells_of(COLONY, {**COLONY, "size": 32}, {**COLONY, "name": "few", "set": {"ants": 7}})) == 3


def test_a_file_is_read_and_its_mistakes_name_it(tmp_path):
    path = tmp_path / "quick.toml"
    path.write_text('[[setting]]\nname = "a"\n[[contender]]\nselector = "all"\n')
    plan = read_plan(path)
    assert (plan.name, len(plan.cells), plan.text) == ("quick", 2, path.read_text())
    path.write_text("[[setting]\n")
    with pytest.raises(ConfigError, match=r"quick.toml: expected a TOML file; "):
        read_plan(path)
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match=r"quick.toml: expected a TOML file; "):
        read_plan(path)
    path.write_text("seed = 1\n")
    with pytest.raises(ConfigError, match=r"quick.toml: unknown key 'seed' in the plan; did you mean 'seeds'\?"):
        read_plan(path)
    with pytest.raises(MissingFileError, match=r"expected a plan at .*absent.toml; .*acofer bench --help"):
        read_plan(tmp_path / "absent.toml")


def test_the_example_of_the_module_is_a_plan():
    import acofer.bench.plan as module

    example = module.__doc__.split("::\n")[1].split("\nA list stands")[0]
    text = "\n".join(line[4:] for line in example.splitlines())
    plan = plan_of(tomllib.loads(text), "quick", text)
    assert len({cell.protocol for cell in plan.cells}) == 2
    assert plan.reference == "colony"


# Keys.

CHANGES = {
    "seed": {"contender": {"seeds": 1}},
    "split seed": {"setting": {"split_seeds": 1}},
    "split": {"setting": {"split": "stratified"}},
    "size": {"contender": {"size": 32}},
    "classifier": {"contender": {"classifier": "LogisticRegression"}},
    "classifier's parameters": {
        "contender": {"classifier": "LogisticRegression"}, "setting": {"classifier_params": {"C": 0.5}}
    },
    "protocol": {"contender": {"protocol": "five-classes"}},
    "knob": {"contender": {"set": {"ants": 7}}},
    "budget": {"contender": {"budget": {"evaluations": 13}}},
    "budget in seconds": {"contender": {"budget": {"seconds": 13}}},
    "selector": {"contender": {"selector": "heuristic-alone"}},
    "name": {"contender": {"name": "mine"}},
    "setting's name": {"setting": {"name": "other"}},
    "backbone": {"setting": {"backbone": "mobilenet"}},
    "input size": {"setting": {"image_size": 96}},
    "pooling": {"setting": {"pooling": "avg"}},
    "weights": {"setting": {"weights": "random"}},  # these once counted as a place of files
    "balance": {"setting": {"balance": "smote"}},
    "scorer": {"setting": {"scorer": "forest"}},
    "metric": {"setting": {"metric": "log-loss"}},
    "folds": {"setting": {"folds": 3}},
    "classes": {"setting": {"classes": "Happy,Sad"}},
}  # fmt: skip


def changed(change):
    return cell_of({**COLONY, **change.get("contender", {})}, setting=change.get("setting"), null_test=False)


def test_whatever_changes_the_outcome_changes_the_key():
    keys = {name: changed(change).key for name, change in CHANGES.items()}
    assert len({*keys.values(), cell_of().key}) == len(keys) + 1, keys


def test_what_does_not_change_the_outcome_leaves_the_key(tmp_path):
    (tmp_path / "faces").mkdir()
    plain = cell_of()
    same = [
        cell_of(workers=1),
        cell_of(timeout=7),
        cell_of({**COLONY, "timeout": 7}),
        cell_of(name="other", reference="colony"),
        cell_of(setting={"data": str(tmp_path / "faces")}),
        cell_of(setting={"cache_dir": str(tmp_path)}),
        cell_of({**COLONY, "set": {"ants": plain.knobs["ants"]}}),
    ]
    assert {cell.key for cell in same} == {plain.key}
    (tmp_path / "here").mkdir()
    for place in (tmp_path / "w.h5", tmp_path / "here" / "w.h5"):
        place.touch()
    moved = {cell_of(setting={"weights": str(p)}).key for p in tmp_path.rglob("w.h5")}
    assert len(moved) == 1
    assert moved != {plain.key}


def test_keys_are_the_same_in_another_order_and_beside_other_settings():
    contenders = [COLONY, {"selector": "anova-f", "size": [4, 8]}, {"net": "small-cnn"}]
    one = content_of(*contenders, seeds=[0, 1], null_test=True)
    other = content_of(*reversed(contenders), seeds=[1, 0], null_test=True)
    other["setting"].insert(0, {"name": "another", "scorer": "ridge", "image_size": 96})
    keys = {cell.key for cell in plan_of(one, "made").cells if not cell.is_null}
    others = {cell.key for cell in plan_of(other, "made").cells if cell.setting == "made" and not cell.is_null}
    assert keys == others
    assert len(keys) == 2 * 4


def selections(selector, **more):
    tables = {"selector": selector, "size": 8, "seeds": [0, 1], **more}
    return {cell.selection for cell in cells_of(tables, setting={"scorer": "forest", "balance": "smote"})}


def test_a_choice_is_shared_by_classifiers_and_without_seed_by_seeds():
    classifiers = ["auto", "LogisticRegression", "KNeighborsClassifier"]
    assert len(selections("anova-f", classifier=classifiers)) == 1
    assert len(selections("colony", classifier=classifiers)) == 2
    assert len(selections("anova-f", protocol="validation-as-test")) == 1
    assert len(selections("anova-f", size=[8, 9])) == 2
    for leaky in ("leaky-smote-first", "leaky-smote-test"):  # their rows are drawn anew for each seed
        assert len(selections("anova-f", protocol=leaky)) == 2
    nulls = cells_of({"selector": "anova-f", "size": 8, "seeds": [0]}, {"selector": "mrmr", "size": 8}, null_test=True)
    assert len({cell.selection for cell in nulls}) == len(nulls)  # shuffled labels are others


@pytest.mark.parametrize("name", [name for name in CHANGES if "classifier" not in name and name != "name"])
def test_whatever_else_changes_the_outcome_changes_the_choice(name):
    assert changed(CHANGES[name]).selection != cell_of().selection


def test_a_choice_is_not_of_who_made_it():
    assert changed(CHANGES["name"]).selection == cell_of().selection


def test_a_problem_is_shared_by_all_who_meet_the_same_rows():
    contenders = [COLONY, {"selector": ["anova-f", "all"], "size": 8, "classifier": ["auto", "LogisticRegression"]}]
    assert len({cell.problem for cell in cells_of(*contenders)}) == 1
    apart = ("seed", "split seed", "protocol", "weights", "scorer", "balance", "setting's name")
    assert len({changed(CHANGES[name]).problem for name in apart} | {cell_of().problem}) == len(apart) + 1
    (real, null) = cells_of(COLONY, null_test=True)
    assert real.problem != null.problem


# Anything that TOML can say.

PLAIN = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.sampled_from([*SELECTORS, *ALL_PROTOCOLS, "made", "auto", "4:8", "small-cnn", "forest", "ridge"]),
)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    "plan": [*_PLAN_KEYS],
    "setting": ["name", "split_seeds", *(field.name for field in dataclasses.fields(SearchConfig))],
    "contender": [*_CONTENDER_KEYS],
}


@st.composite
def contents(draw):
    """A plan that is right but for some of its values."""
    content = content_of({**COLONY}, {"net": "small-cnn"})
    for table, keys in ((content, "plan"), (content["setting"][0], "setting"), (content["contender"][0], "contender")):
        table.update(draw(st.dictionaries(st.sampled_from(FIELDS[keys]), ANYTHING, max_size=2)))
        if draw(st.booleans()) and isinstance(table.get("set"), dict):
            table["set"].update(draw(st.dictionaries(st.sampled_from(["ants", "alpha", "variant"]), ANYTHING)))
    return content


@settings(max_examples=200, deadline=None)
@given(contents())
def test_anything_is_a_plan_or_one_clear_error(content):
    try:
        plan = plan_of(content, "made")
    except ConfigError:
        return
    assert plan.cells
    assert plan.reference in {cell.contender for cell in plan.cells}
    for cell in plan.cells:
        assert len(cell.key) == len(cell.problem) == len(cell.selection) == 12


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(FIELDS["plan"]), ANYTHING, max_size=4))
def test_any_table_at_all_is_one_clear_error(content):
    with pytest.raises(ConfigError):
        plan_of(content, "made")


def test_a_list_in_a_setting_is_an_axis_and_the_name_alone_stands_for_all():
    setting = {"name": "last layer", "data": "demo", "image_size": [48, 96], "pooling": ["flatten", "avg"]}
    content = {"setting": [setting, {"name": "other", "data": "demo"}], "null_test": False}
    kinds = [(size, pooling) for size in (48, 96) for pooling in ("flatten", "avg")]
    cells = plan_of({**content, "contender": [{"selector": "all"}]}, "p").cells
    assert [cell.setting for cell in cells] == [*(f"last layer, {size}, {pooling}" for size, pooling in kinds), "other"]
    assert [(cell.config.image_size, cell.config.pooling) for cell in cells[:4]] == kinds
    some = [
        {"selector": "all", "settings": "last layer"},
        {"selector": "pca", "size": 3, "settings": "last layer, 96, avg"},
    ]
    cells = plan_of({**content, "contender": some}, "p").cells
    assert sorted(cell.contender for cell in cells) == ["all"] * 4 + ["pca"]
    with pytest.raises(ConfigError, match="image_size: expected one value at least"):
        plan_of({"setting": [{"name": "s", "image_size": []}], "contender": [{"selector": "all"}]}, "p")
