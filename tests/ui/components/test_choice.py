from skin.ui.components.choice import offer


def test_a_value_is_sent_only_where_the_page_has_another() -> None:
    for value in ("a", ["a", "b"], None):
        assert offer(["a", "b"], value, value).constructor_args == {"choices": ["a", "b"]}
    assert offer(["a", "b"], "b", "a").constructor_args == {"choices": ["a", "b"], "value": "b"}
    assert offer(["a"], ["a"], [], multiselect=True).constructor_args["value"] == ["a"]
