using AsFT.Torch.Input;

namespace AsFT.Torch.Tokenization;

/// <summary>What a piece of a SentencePiece vocabulary is (<c>ModelProto.SentencePiece.Type</c>).</summary>
internal enum PieceType
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>One entry of a SentencePiece vocabulary.</summary>
internal readonly record struct Piece(string Text, float Score, PieceType Type);

/// <summary>How a SentencePiece model segments text (<c>TrainerSpec.ModelType</c>).</summary>
internal enum SegmentationKind
{
    Unigram = 1,
    Bpe = 2,
    Word = 3,
    Char = 4,
}

/// <summary>The parts of a SentencePiece <c>tokenizer.model</c> (protobuf <c>ModelProto</c>) that decide how text is encoded.</summary>
internal sealed record SentencePieceModel
{
    // The largest published vocabularies take some 5 MB.
    private const long MaxBytes = 128 << 20;

    public required IReadOnlyList<Piece> Pieces { get; init; }
    public SegmentationKind Kind { get; init; } = SegmentationKind.Unigram;
    public bool ByteFallback { get; init; }
    public bool TreatWhitespaceAsSuffix { get; init; }
    public bool AddDummyPrefix { get; init; } = true;
    public bool RemoveExtraWhitespaces { get; init; } = true;
    public bool EscapeWhitespaces { get; init; } = true;
    /// <summary>Normalisation rules (double-array trie and replacements), empty for <c>identity</c>.</summary>
    public byte[] CharacterMap { get; init; } = [];
    public string UnknownSurface { get; init; } = " \u2047 ";
    public int UnknownId { get; init; }
    public int BosId { get; init; } = 1;
    public int EosId { get; init; } = 2;
    public int PadId { get; init; } = -1;

    /// <summary>Reads a model file.</summary>
    /// <exception cref="InvalidDataException">The file is not a SentencePiece model, or damaged.</exception>
    public static SentencePieceModel Read(string path)
    {
        try
        {
            byte[] bytes = InputFile.ReadAllBytes(path, MaxBytes);
            if (ForeignContent.Recognize(bytes) is { } foreign) throw new InvalidDataException($"'{path}' {foreign}.");
            SentencePieceModel model = Parse(bytes);
            model.Check();
            return model;
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"{path} is not a readable SentencePiece model: {e.Message}.", e);
        }
    }

    private static SentencePieceModel Parse(ReadOnlySpan<byte> bytes)
    {
        var pieces = new List<Piece>();
        var model = new SentencePieceModel { Pieces = pieces };
        var reader = new ProtobufReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: pieces.Add(ParsePiece(reader.Bytes)); break;
                case 2: model = ParseTrainer(reader.Bytes, model); break;
                case 3: model = ParseNormalizer(reader.Bytes, model); break;
                default: break;
            }
        }
        return model;
    }

    private static Piece ParsePiece(ReadOnlySpan<byte> bytes)
    {
        var piece = new Piece("", 0, PieceType.Normal);
        var reader = new ProtobufReader(bytes);
        while (reader.Next())
        {
            piece = reader.Field switch
            {
                1 => piece with { Text = reader.Text },
                2 => piece with { Score = reader.Single },
                3 => piece with { Type = (PieceType)reader.Integer },
                _ => piece,
            };
        }
        return piece;
    }

    private static SentencePieceModel ParseTrainer(ReadOnlySpan<byte> bytes, SentencePieceModel model)
    {
        var reader = new ProtobufReader(bytes);
        while (reader.Next())
        {
            model = reader.Field switch
            {
                3 => model with { Kind = (SegmentationKind)reader.Integer },
                24 => model with { TreatWhitespaceAsSuffix = reader.Integer != 0 },
                35 => model with { ByteFallback = reader.Integer != 0 },
                40 => model with { UnknownId = (int)reader.Integer },
                41 => model with { BosId = (int)reader.Integer },
                42 => model with { EosId = (int)reader.Integer },
                43 => model with { PadId = (int)reader.Integer },
                44 => model with { UnknownSurface = reader.Text },
                _ => model,
            };
        }
        return model;
    }

    private static SentencePieceModel ParseNormalizer(ReadOnlySpan<byte> bytes, SentencePieceModel model)
    {
        var reader = new ProtobufReader(bytes);
        while (reader.Next())
        {
            model = reader.Field switch
            {
                2 => model with { CharacterMap = reader.Bytes.ToArray() },
                3 => model with { AddDummyPrefix = reader.Integer != 0 },
                4 => model with { RemoveExtraWhitespaces = reader.Integer != 0 },
                5 => model with { EscapeWhitespaces = reader.Integer != 0 },
                _ => model,
            };
        }
        return model;
    }

    private void Check()
    {
        if (Pieces.Count == 0) throw new FormatException("it holds no pieces");
        if (Kind is not (SegmentationKind.Bpe or SegmentationKind.Unigram))
            throw new FormatException($"its model type is {Kind}, supported are Bpe and Unigram");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var bytes = new HashSet<string>(StringComparer.Ordinal);
        int unknown = -1;
        for (int id = 0; id < Pieces.Count; id++)
        {
            Piece piece = Pieces[id];
            if (piece.Text.Length == 0) throw new FormatException($"piece {id} is empty");
            if (!Enum.IsDefined(piece.Type)) throw new FormatException($"piece {id} has the unknown type {(int)piece.Type}");
            if (!float.IsFinite(piece.Score)) throw new FormatException($"the score of piece {id} is {piece.Score}");
            if (!seen.Add(piece.Text)) throw new FormatException($"piece {id}, '{piece.Text}', occurs twice");
            if (piece.Type == PieceType.Unknown) unknown = unknown < 0 ? id : throw new FormatException($"pieces {unknown} and {id} are both the unknown piece");
            if (piece.Type == PieceType.Byte) bytes.Add(piece.Text);
        }
        if (unknown < 0) throw new FormatException("it has no unknown piece");
        if (unknown != UnknownId) throw new FormatException($"its unknown piece is {unknown}, but unk_id says {UnknownId}");
        if (ByteFallback && (bytes.Count != 256 || !Enumerable.Range(0, 256).All(b => bytes.Contains(ByteText(b)))))
            throw new FormatException($"it falls back to bytes, but has {bytes.Count} of the 256 byte pieces <0x00> to <0xFF>");
        foreach ((string name, int id) in new[] { ("bos_id", BosId), ("eos_id", EosId), ("pad_id", PadId) })
        {
            if (id >= Pieces.Count) throw new FormatException($"{name} is {id} where it has {Pieces.Count} pieces");
        }
    }

    /// <summary>Name of the piece that stands for one byte.</summary>
    public static string ByteText(int value) => $"<0x{value:X2}>";
}
