"""BERTScore, compared with the `bert-score` package on tiny random models and with hand-worked pairs."""

import bert_score
import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

import laudo
from laudo.errors import InputError
from laudo.metrics.bertscore import Similarity, score
from laudo.metrics.encoder import Embedded, Encoder

LAYER = 2
WORDS = [
    *("pulmões", "livres", "sem", "derrame", "pleural", "opacidade", "na", "base", "direita"),
    *("área", "cardíaca", "normal", "discreto", "aumento"),
]
PAIRS = [
    ("Pulmões livres. Sem derrame pleural.", "Sem derrame pleural."),
    ("Opacidade na base direita", "Área cardíaca normal, pulmões livres, sem derrame"),
    ("  Derrame pleural à direita \n", "Derrame pleural"),
    ("Área cardíaca normal", "Área cardíaca normal"),
    ("discreto aumento da área cardíaca " * 12, "aumento"),
    ("xyz", "normal"),
]


SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "initializer_range": 0.3,
}


def save_bert(folder, **tokenizer_settings):
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = sorted({letter for word in WORDS for letter in word})
    pieces = [*specials, *WORDS, ".", ",", *letters, *(f"##{letter}" for letter in letters)]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = transformers.BertTokenizer(vocab=vocab, strip_accents=False, **tokenizer_settings)
    config = transformers.BertConfig(vocab_size=len(vocab), max_position_embeddings=64, **SIZES)
    return save(folder, transformers.BertModel(config), tokenizer)


def save_xlm_roberta(folder, **tokenizer_settings):
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = sorted({letter for word in WORDS for letter in word} | set(".,▁"))
    vocab = [(s, 0.0) for s in specials] + [(f"▁{w}", -2.0) for w in WORDS] + [(x, -6.0) for x in letters]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=[*vocab, ("<mask>", 0.0)], **tokenizer_settings)
    config = transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=1, type_vocab_size=1, **SIZES
    )
    return save(folder, transformers.XLMRobertaModel(config), tokenizer)


def save(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


SAVE = {"bert": save_bert, "xlm-roberta": save_xlm_roberta}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A BERT and an XLM-RoBERTa of 64 tokens; both tokenizers know the limit, as bert-score needs."""
    torch.manual_seed(7)
    root = tmp_path_factory.mktemp("models")
    return {family: make(root / family, model_max_length=64) for family, make in SAVE.items()}


@pytest.fixture(scope="module")
def encoder(saved):
    return Encoder(saved["bert"], layer=LAYER)


class Words:
    """An encoder by hand: a word is a unit vector of its own, between two special tokens unlike any."""

    words = ("derrame", "pleural", "direito")

    def embed(self, texts):
        rows = np.eye(len(self.words) + 1, dtype=np.float32)
        ids = {text: [3, *(self.words.index(word) for word in text.split()), 3] for text in texts}
        return {text: Embedded(rows[i], np.array(i) != 3, False) for text, i in ids.items()}


@pytest.mark.parametrize("family", SAVE)
@pytest.mark.parametrize("layer", [1, LAYER, 3])
@pytest.mark.filterwarnings("ignore")
def test_agrees_with_bert_score(saved, family, layer):
    candidates, references = zip(*PAIRS, strict=True)
    expected = bert_score.score(
        candidates, references, model_type=saved[family], num_layers=layer, device="cpu", nthreads=0
    )
    got = score(candidates=candidates, references=references, encoder=Encoder(saved[family], layer=layer))
    for i, column in enumerate(("precision", "recall", "f1")):
        np.testing.assert_allclose([getattr(s, column) for s in got], expected[i], atol=1e-5, err_msg=column)
    assert {s.why for s in got} == {"", "candidate truncated"}
    # The random model distinguishes tokens, so that the comparison means something.
    assert got[1].precision < 0.99


def test_precision_is_of_the_candidate_and_recall_of_the_reference():
    # By hand: one of the candidate's two words is in the reference, the reference's only word is found.
    got = score(candidates=["derrame pleural"], references=["derrame"], encoder=Words())
    assert got == [Similarity(0.5, 1.0, pytest.approx(2 / 3), "")]


def test_special_tokens_weigh_nothing():
    # By hand: no word in common; the special tokens match each other and must not count.
    got = score(candidates=["derrame"], references=["pleural direito"], encoder=Words())
    assert got == [Similarity(0.0, 0.0, 0.0, "")]


@pytest.mark.parametrize("reference", [None, "", " \n", "\x00"])
def test_without_reference_there_is_no_score(encoder, reference):
    for candidate in ("derrame", ""):
        got = score(candidates=[candidate], references=[reference], encoder=encoder)
        assert got == [Similarity(None, None, None, "no reference")]


@pytest.mark.parametrize("candidate", ["", "  ", "\u200b"])
def test_empty_candidate_scores_zero(encoder, candidate):
    got = score(candidates=[candidate], references=["derrame"], encoder=encoder)
    assert got == [Similarity(0.0, 0.0, 0.0, "empty candidate")]


@pytest.mark.parametrize("family", SAVE)
def test_takes_just_as_many_tokens_as_the_model_when_the_tokenizer_knows_no_limit(tmp_path, family):
    # BERTimbau's case: model_max_length is 1e30. Both models take 62 words and 2 special tokens;
    # XLM-RoBERTa has 66 positions for that, the first two being never used. "t5" in the path is no T5.
    path = SAVE[family](tmp_path / "tinybert512")
    encoder = Encoder(path, layer=LAYER)
    fits, over = " ".join(["derrame"] * 62), " ".join(["derrame"] * 63)
    got = score(candidates=[fits, over, fits, over], references=[fits, fits, over, over], encoder=encoder)
    cut = ["", "candidate truncated", "reference truncated", "candidate truncated, reference truncated"]
    assert [s.why for s in got] == cut
    assert [s.f1 for s in got] == pytest.approx([1.0] * 4)
    assert encoder.embed([over])[over].vectors.shape == (64, 32)


def test_batches_change_no_number(saved, encoder):
    candidates, references = zip(*PAIRS, strict=True)
    together = score(candidates=candidates, references=references, encoder=encoder)
    alone = score(
        candidates=candidates,
        references=references,
        encoder=Encoder(saved["bert"], layer=LAYER, batch_size=1),
    )
    backwards = score(candidates=candidates[::-1], references=references[::-1], encoder=encoder)
    assert backwards[::-1] == together
    np.testing.assert_allclose([s[:3] for s in alone], [s[:3] for s in together], atol=1e-6)


@given(text=st.lists(st.sampled_from(WORDS), min_size=1, max_size=70).map(" ".join))
def test_a_text_matches_itself_fully(encoder, text):
    [got] = score(candidates=[text], references=[text], encoder=encoder)
    assert got[:3] == pytest.approx((1.0, 1.0, 1.0), abs=1e-5)


def test_lists_of_unequal_length_are_refused(encoder):
    with pytest.raises(ValueError, match="shorter"):
        score(candidates=["derrame", "derrame"], references=["derrame"], encoder=encoder)


def test_no_pairs(encoder):
    assert score(candidates=[], references=[], encoder=encoder) == []


def test_signature_says_what_fixes_the_number(saved, encoder, tmp_path):
    name, model, weights, *rest = encoder.signature.split("|")
    assert (name, model) == ("bertscore", "model:bert")
    assert weights.startswith("weights:") and len(weights) == len("weights:") + 12
    versions = [f"transformers:{transformers.__version__}", f"version:{laudo.__version__}"]
    assert rest == ["layer:2", "idf:no", "rescale:no", *versions]
    assert Encoder(saved["bert"], layer=LAYER).signature == encoder.signature
    other = save_bert(tmp_path / "bert")  # other random weights under the same name
    assert Encoder(other, layer=LAYER).signature.split("|")[2] != weights


def test_a_model_not_on_disk_is_not_fetched(tmp_path):
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        Encoder(str(tmp_path / "absent"), layer=1)
    assert "fetch the model first" in caught.value.fix


def test_an_error_without_a_message_is_named_by_its_kind(saved, monkeypatch):
    def fail(*_, **__):
        raise OSError

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", fail)
    with pytest.raises(InputError, match="cannot be loaded: OSError"):
        Encoder(saved["bert"], layer=LAYER)


def test_a_layer_that_does_not_exist(saved):
    with pytest.raises(InputError, match="layer 4 does not exist") as caught:
        Encoder(saved["bert"], layer=4)
    assert caught.value.fix == "choose one from 0 to 3"


def test_another_family_is_refused(tmp_path):
    transformers.T5Config().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="bert or xlm-roberta models, not t5"):
        Encoder(str(tmp_path), layer=1)
