"""The shipped model: it loads like any other, is small, and reads what people write."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.ai.sentiment import SHIPPED, TransformersSentiment, load_sentiment
from engine.errors import BootFailed
from models.words import Sentiment
from tests.running_command import REPOSITORY, clean_environment, sns

pytestmark = pytest.mark.weights

MIB = 1024 * 1024

POSITIVE = """
정말 맛있어요
배송도 빠르고 포장도 꼼꼼해요
너무 예뻐요 😍😍
와 대박 ㅋㅋㅋㅋㅋ 너무 웃겨요
오늘도 힘이 나는 글 감사합니다
사장님 친절하고 음식도 최고!!
👍👍👍
재구매 의사 100프로
좋아아아아아요
너무너무너무 기대돼요
이 집 진짜 마싯어요
조앙요 ㅎㅎ
색감 넘 이쁘네요
역시 믿고 사는 브랜드
덕분에 행복한 하루였어요
완전 good이에요 강추
love it 너무 예쁘다
감동받아서 눈물 났어요 ㅠㅠ 최고예요
❤️❤️
가성비 갑입니다
아이가 정말 좋아해요
볼수록 매력있네요
응원합니다 화이팅!
"""
NEGATIVE = """
환불해 주세요 최악입니다
돈 아까워요
다시는 안 사요
배송이 너무 늦어서 짜증나네요
기대했는데 실망이에요 ㅠㅠ
직원이 너무 불친절해요
이걸 돈 주고 사라고? ㅋㅋㅋㅋ 어이가 없네
참 잘하는 짓이다
퍽이나 좋겠다
역겨워요 🤮
진짜 별로 👎
품질이 쓰레기네요
쓰래기 같은 제품
왜 답장을 안 하세요? 너무하네
노잼
광고 좀 그만 해라 지겹다
맛없어서 다 버렸어요
사진이랑 너무 달라요
이게 뭐냐 ㅡㅡ
화가 나서 잠이 안 와요 😡
또 고장났어요 세 번째예요
개별로임
so bad 다신 안 감
거짓말 그만하세요
사기 아닌가요
위생이 엉망이에요
"""
NEUTRAL = """
몇 시에 문 열어요?
사이즈가 어떻게 되나요
주차 되나요?
내일 서울에서 행사가 있습니다
영업시간은 10시부터 22시까지입니다
파란색도 있나요?
어디에서 살 수 있어요?
@친구 이거 봐
저는 부산에 살아요
이벤트는 언제까지인가요?
택배는 어느 회사인가요?
"""


@pytest.fixture(scope="module")
def shipped() -> TransformersSentiment:
    return load_sentiment()


def said_of(model: TransformersSentiment, texts: str) -> list[Sentiment]:
    return [reading.sentiment for reading in model.read_now(texts.strip().splitlines())]


def test_it_loads_through_the_auto_classes(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from engine.ai import ngram_model

    model = AutoModelForSequenceClassification.from_pretrained(SHIPPED)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED)

    assert isinstance(model, ngram_model.NgramForSequenceClassification)
    assert len(tokenizer) == model.config.ngrams + 1
    inputs = tokenizer(["좋아요", "별로예요 정말로"], padding=True, return_tensors="pt")
    assert inputs["input_ids"].shape == inputs["attention_mask"].shape
    assert model.float()(**inputs).logits.shape == (2, 3)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = load_sentiment(str(tmp_path))
    assert again.read_now(["좋아요"]) == load_sentiment().read_now(["좋아요"])


def test_it_is_small_and_holds_no_code() -> None:
    files = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}

    assert sum(files.values()) < 8 * MIB
    assert "model.safetensors" in files
    assert not [name for name in files if name.endswith((".py", ".bin", ".pkl"))]


def test_the_card_says_data_recipe_figures_and_licence() -> None:
    card = (SHIPPED / "README.md").read_text()

    assert all(word in card for word in ("NSMC", "KOTE", "CC0", "MIT", "macro-F1", "ECE"))


def test_feelings_of_an_own_list_are_told_apart(shipped: TransformersSentiment) -> None:
    """Sixty comments with emoji, ㅋㅋ, ㅠㅠ, typos, sarcasm, repeated letters, some English."""
    expected = {
        Sentiment.POSITIVE: POSITIVE,
        Sentiment.NEGATIVE: NEGATIVE,
        Sentiment.NEUTRAL: NEUTRAL,
    }
    right = {
        name: [said is name for said in said_of(shipped, texts)] for name, texts in expected.items()
    }
    polar = right[Sentiment.POSITIVE] + right[Sentiment.NEGATIVE]
    assert sum(polar) / len(polar) >= 0.8


def test_a_batch_reads_as_each_text_alone(shipped: TransformersSentiment) -> None:
    texts = ["좋아요", "정말 오래 기다렸는데 이럴 줄은 몰랐네요 다시는 안 시킵니다", "", "😍"]

    together = shipped.read_now(texts)

    assert together == [shipped.read_now([text])[0] for text in texts]
    assert all(-1 <= reading.score <= 1 for reading in together)


def test_how_often_a_letter_is_repeated_does_not_matter(shipped: TransformersSentiment) -> None:
    short, long = shipped.read_now(
        ["너무 웃겨요 ㅋㅋㅋ!!!", "너무 웃겨요 ㅋㅋㅋㅋㅋㅋㅋㅋㅋ!!!!!!"]
    )

    assert short == long


def test_labels_that_say_nothing_stop_the_boot(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "nameless")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {at: f"LABEL_{at}" for at in range(3)}
    config.pop("label2id", None)
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(BootFailed, match="LABEL_0"):
        load_sentiment(str(folder))


def test_broken_weights_stop_the_boot(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"not weights")

    with pytest.raises(BootFailed, match="SNS_SENTIMENT_MODEL"):
        load_sentiment(str(folder))


def test_the_command_prints_a_json_line_per_comment_in_order(tmp_path: Path) -> None:
    comments = tmp_path / "comments.txt"
    lines = ["정말 맛있어요!!", "", "환불해 주세요 최악입니다", '따옴표 "안에" 있는 말']
    comments.write_text("\n".join(lines) + "\n")

    done = sns("sentiment", str(comments), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["text"] for one in said] == lines
    assert [one["sentiment"] for one in said[:3]] == ["positive", "neutral", "negative"]
    assert said[0]["score"] > 0 == said[1]["score"] > said[2]["score"]


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = sns("sentiment", "nowhere.txt", cwd=tmp_path)

    assert done.returncode == 1
    assert "nowhere.txt" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_answers_a_slow_input_at_once_and_ends_with_ctrl_c() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "sentiment", "-"],
        cwd=REPOSITORY,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A test run in the background ignores Ctrl-C, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for text in ("좋아요", "싫어요"):
        process.stdin.write(f"{text}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == text
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in said
