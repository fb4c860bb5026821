"""References: where they lie beside songs, and how they are read."""

import pytest

from mix2midi.errors import AudioError, OptionError
from mix2midi.pipeline.references import find_songs, read_reference, read_true_beats, reference_of
from mix2midi.scores import score_notes
from tests.annotated import write_audio, write_midi, write_text


class TestFindingSongs:
    def test_audio_beside_midi_of_the_same_name(self, tmp_path):
        for name in ("b tune", "a 'quoted' ü"):
            write_audio(tmp_path / "sub" / f"{name}.wav")
            write_midi(tmp_path / "sub" / f"{name}.mid", [(0.5, 36, 90)])
        write_audio(tmp_path / "no reference.wav")
        songs = find_songs([tmp_path])
        assert [song.name for song in songs] == ["a 'quoted' ü", "b tune"]
        assert [song.reference.name for song in songs] == ["a 'quoted' ü.mid", "b tune.mid"]

    def test_named_input_in_folders_with_annotations(self, tmp_path):
        for name in ("Rock", "Punk"):
            write_audio(tmp_path / name / "drums.flac")
            write_audio(tmp_path / name / "mix.flac")
            write_text(tmp_path / name / "class.txt", "0.5 KD\n")
        songs = find_songs([tmp_path / "Rock", tmp_path / "Punk"], "drums.flac")
        assert [(song.name, song.audio.name) for song in songs] == [("Rock", "drums.flac"), ("Punk", "drums.flac")]
        assert find_songs([tmp_path], "mix.flac")[0].audio.name == "mix.flac"

    def test_named_input_in_hidden_folders_is_left_out(self, tmp_path):
        for folder in ("Rock", ".Trash-1000/files/Rock"):
            write_text(write_audio(tmp_path / folder / "drums.flac").with_name("class.txt"), "0.5 KD\n")
        assert [song.audio for song in find_songs([tmp_path], "drums.flac")] == [tmp_path / "Rock" / "drums.flac"]
        assert len(find_songs([tmp_path / ".Trash-1000"], "drums.flac")) == 1, "who names a hidden folder means it"

    def test_recordings_that_share_an_annotation_do_not_count_twice(self, tmp_path):
        drums, mix = write_audio(tmp_path / "drums.flac"), write_audio(tmp_path / "mix.flac")
        write_text(tmp_path / "class.txt", "0.5 KD\n")
        with pytest.raises(OptionError, match=r"class\.txt: .*\(drums\.flac, mix\.flac\).* --input drums\.flac"):
            find_songs([tmp_path])
        assert len(find_songs([drums, mix])) == 2, "who names both means both"

    def test_songs_of_one_name_are_called_by_their_paths(self, tmp_path):
        for player in ("d1", "d2"):
            write_audio(tmp_path / player / "take1.wav")
            write_midi(tmp_path / player / "take1.mid", [(0.5, 36, 90)])
            write_text(write_audio(tmp_path / player / "audio" / "drums.flac").with_name("class.txt"), "0.5 KD\n")
        write_audio(tmp_path / "d2" / "take2.wav")
        write_midi(tmp_path / "d2" / "take2.mid", [(0.5, 36, 90)])
        first, second = (str(tmp_path / player / "take1.wav") for player in ("d1", "d2"))
        found = find_songs(
            [tmp_path / "d1" / "take1.wav", tmp_path / "d2" / "take1.wav", tmp_path / "d2" / "take2.wav"]
        )
        assert [song.name for song in found] == [first, second, "take2"]
        names = [song.name for song in find_songs([tmp_path], "drums.flac")]
        assert names == [str(tmp_path / player / "audio" / "drums.flac") for player in ("d1", "d2")]

    def test_the_current_folder_has_a_name(self, tmp_path, monkeypatch):
        write_text(write_audio(tmp_path / "Rock" / "drums.flac").with_name("class.txt"), "0.5 KD\n")
        monkeypatch.chdir(tmp_path / "Rock")
        assert [song.name for song in find_songs(["."], "drums.flac")] == ["Rock"]

    def test_a_single_file(self, tmp_path):
        audio = write_audio(tmp_path / "song.flac")
        write_midi(tmp_path / "song_reference.mid", [(0.5, 36, 90)])
        assert find_songs([audio])[0].reference.name == "song_reference.mid"

    def test_a_transcription_beside_annotations_is_not_taken_for_the_truth(self, tmp_path):
        audio = write_audio(tmp_path / "drums.flac")
        write_midi(tmp_path / "drums.mid", [(0.5, 36, 90)])
        write_text(tmp_path / "class.txt", "0.5 KD\n")
        assert reference_of(audio) == tmp_path / "class.txt"
        write_text(tmp_path / "subclass.txt", "0.5 KD\n")
        assert reference_of(audio) == tmp_path / "subclass.txt"

    def test_a_transcription_beside_midi_of_a_longer_suffix_is_not_taken_for_the_truth(self, tmp_path):
        audio = write_audio(tmp_path / "1_funk_80_beat_4-4_1.wav")
        write_midi(audio.with_suffix(".mid"), [(0.5, 36, 90)])
        truth = write_midi(audio.with_suffix(".midi"), [(0.5, 36, 90)])
        assert reference_of(audio) == truth

    def test_mdb_drums_as_it_is_handed_out(self, tmp_path, monkeypatch):
        mdb = tmp_path / "MDB Drums"
        drums = write_audio(mdb / "audio" / "drum_only" / "MusicDelta_Punk_Drum.wav")
        write_audio(mdb / "audio" / "full_mix" / "MusicDelta_Punk_MIX.wav")
        write_text(mdb / "annotations" / "class" / "MusicDelta_Punk_class.txt", "0.5 KD\n")
        write_midi(drums.with_suffix(".mid"), [(0.7, 36, 90)])  # a transcription
        (song,) = find_songs([mdb / "audio" / "drum_only"])
        assert [note.onset_s for note in read_reference(song.reference).notes] == [0.5]
        assert read_true_beats(song) is None
        write_text(mdb / "annotations" / "subclass" / "MusicDelta_Punk_subclass.txt", "0.6 KD\n")
        write_text(mdb / "annotations" / "beats" / "MusicDelta_Punk_MIX.beats", "0.5\t1\n1.0\t2\n1.5\t1\n")
        monkeypatch.chdir(mdb / "audio")
        for folder in ("drum_only", "full_mix"):
            (song,) = find_songs([folder])
            assert [note.onset_s for note in read_reference(song.reference).notes] == [0.6]
            beats = read_true_beats(song)
            assert beats is not None and beats.times_s.tolist() == [0.5, 1.0, 1.5]
        with pytest.raises(OptionError, match="name the folder of one kind"):
            find_songs(["."])

    def test_mdb_plusplus_has_its_own_midi(self, tmp_path):
        audio = write_audio(tmp_path / "plusplus.flac")
        write_midi(tmp_path / "plusplus.mid", [(0.5, 36, 90)])
        write_text(tmp_path / "class.txt", "0.5 KD\n")
        assert reference_of(audio) == tmp_path / "plusplus.mid"

    def test_what_is_missing_is_named(self, tmp_path):
        with pytest.raises(AudioError, match="nowhere: no such file or folder"):
            find_songs([tmp_path / "nowhere"])
        with pytest.raises(AudioError, match=r"no drums\.flac in it"):
            find_songs([tmp_path], "drums.flac")
        audio = write_audio(tmp_path / "drums.flac")
        with pytest.raises(OptionError, match="--input"):
            find_songs([tmp_path])
        for paths, name in (([tmp_path], "drums.flac"), ([audio], None)):
            with pytest.raises(OptionError, match=r"drums\.flac: no reference beside it"):
                find_songs(paths, name)


class TestReferences:
    def test_classes(self, tmp_path):
        text = "0.000000 \t KD \n0.25\tHH\n0.5 SD\n\n0.75 TT\n1.0 CY\n1.25 OT\n"
        reference = read_reference(write_text(tmp_path / "class.txt", text))
        assert [(note.onset_s, note.note) for note in reference.notes] == [
            (0.0, 36),
            (0.25, 42),
            (0.5, 38),
            (0.75, 45),
            (1.0, 49),
        ]
        assert not reference.knows_pieces

    def test_the_mark_that_windows_sets_before_utf8_is_no_time(self, tmp_path):
        reference = read_reference(write_text(tmp_path / "class.txt", "\ufeff0.25 KD\n0.5 SD\n"))
        assert [note.onset_s for note in reference.notes] == [0.25, 0.5]
        assert not reference.knows_velocities

    def test_subclasses(self, tmp_path):
        text = "0.1 OHH\n0.2 SDG\n0.3 SST\n0.4 RDB\n0.5 LFT\n"
        reference = read_reference(write_text(tmp_path / "subclass.txt", text))
        assert [note.name for note in reference.notes] == ["open hi-hat", "snare", "side stick", "ride bell", "low tom"]
        assert reference.knows_pieces
        assert not reference.knows_velocities

    @pytest.mark.parametrize(
        ("labels", "drum"),
        [
            ("KD", "kick"),
            ("SD SDB SDD SDF SDG SDNS", "snare"),
            ("SST", "side stick"),
            ("CHH", "closed hi-hat"),
            ("PHH", "pedal hi-hat"),
            ("OHH", "open hi-hat"),
            ("HIT MHT", "high tom"),
            ("HFT LFT", "low tom"),
            ("RDC", "ride"),
            ("RDB", "ride bell"),
            ("CRC", "crash"),
            ("CHC", "china"),
            ("SPC", "splash"),
        ],
    )
    def test_each_subclass_is_its_drum(self, tmp_path, labels, drum):
        text = "".join(f"{number} {label}\n" for number, label in enumerate(labels.split()))
        reference = read_reference(write_text(tmp_path / "subclass.txt", text))
        assert [note.name for note in reference.notes] == [drum] * len(labels.split())

    @pytest.mark.parametrize(
        ("text", "notes", "knows_pieces"),
        [
            ("0.1 KD\n0.2 CY\n", [36, 49], False),
            ("0.1 KD\n0.2 RDB\n", [36, 53], True),
            ("0.1\t35\n0.2\t47\n", [35, 47], False),  # ADTOF's five classes
            ("0.1\t36\n0.2\t46\n", [36, 46], True),
        ],
    )
    def test_text_tells_the_kind_of_its_labels(self, tmp_path, text, notes, knows_pieces):
        audio = write_audio(tmp_path / "song.wav")
        path = write_text(tmp_path / "song_reference.txt", text)
        assert reference_of(audio) == path
        reference = read_reference(path)
        assert [note.note for note in reference.notes] == notes
        assert reference.knows_pieces == knows_pieces and not reference.knows_velocities

    @pytest.mark.parametrize(
        ("name", "text", "words"),
        [
            ("song_reference.txt", "0.5 bd\n0.7 KD\n", "labels bd are of no one kind"),
            ("song_reference.txt", "0.5 36\n0.7 KD\n", "labels 36, KD are of no one kind"),
            ("song_reference.txt", "0.5 36\n\n0.7 38 100\n", "line 3 is not a time in seconds and a label"),
            ("class.txt", "0.5 OHH\n", "unknown labels OHH"),
            ("class.txt", "0.5\n", "time in seconds and a label"),
            ("class.txt", "half SD\n", "time in seconds and a label"),
            ("subclass.txt", "0.5 TT\n", "unknown labels TT"),
            ("notes.txt", "0.5 KD\n", "not a reference"),
        ],
    )
    def test_text_that_is_no_annotation(self, tmp_path, name, text, words):
        with pytest.raises(OptionError, match=words):
            read_reference(write_text(tmp_path / name, text))

    def test_midi(self, tmp_path):
        path = write_midi(tmp_path / "a.mid", [(0.5, 36, 90), (1.25, 46, 30)])
        reference = read_reference(path)
        assert [(note.onset_s, note.note, note.velocity) for note in reference.notes] == [(0.5, 36, 90), (1.25, 46, 30)]
        assert reference.knows_pieces
        assert reference.knows_velocities

    def test_midi_that_is_none(self, tmp_path):
        (tmp_path / "broken.mid").write_bytes(b"MThd")
        with pytest.raises(OptionError, match=r"broken\.mid"):
            read_reference(tmp_path / "broken.mid")


def test_subclasses_reduce_to_the_classes_of_real_songs(shared_dir):
    folders = sorted(path.parent for path in (shared_dir / "data" / "mdb-dev").rglob("class.txt"))
    assert len(folders) == 6
    for folder in folders:
        classes, subclasses = read_reference(folder / "class.txt"), read_reference(folder / "subclass.txt")
        scores = score_notes(subclasses, classes.notes)
        assert (scores.overall.counts[0.020].missed, scores.overall.counts[0.020].extra) == (0, 0)
