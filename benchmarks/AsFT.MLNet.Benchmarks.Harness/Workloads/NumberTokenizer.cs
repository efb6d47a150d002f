using AsFT.Torch.Tokenization;

namespace AsFT.MLNet.Benchmarks.Harness.Workloads;

/// <summary>A tokenizer without text and without an end: answers of a random model run to their full length.</summary>
internal sealed class NumberTokenizer(int vocabularySize) : LanguageTokenizer
{
    public override int VocabularySize => vocabularySize;

    public override int? BosId => null;

    public override IReadOnlyList<int> EosIds => [];

    public override int PadId => 0;

    public override bool AddBos => false;

    public override IReadOnlyList<int> Encode(string text) => throw new NotSupportedException();

    public override IReadOnlyList<int> Encode(string text, out IReadOnlyList<int> ends) => throw new NotSupportedException();

    public override string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => "";
}
