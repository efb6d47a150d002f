using AsFT.Lab.Basin;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Tokenization;
using static TorchSharp.torch;

namespace AsFT.Lab.Tests.Basin;

/// <summary>A tiny base model on disk and a version of it in memory that differs in every weight.</summary>
internal sealed class BasinModels : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public BasinModels(ScalarType dtype = ScalarType.Float32, double distance = 0.1)
    {
        using (var model = TinyLlama.Create(dtype: dtype, seed: 3)) model.Save(_folder.Path);
        Base = CausalLanguageModel.Load(_folder.Path, TinyLlama.Placement(dtype));
        Aligned = CausalLanguageModel.Load(_folder.Path, TinyLlama.Placement(dtype));
        Checkpoint = ModelCheckpoint.Open(_folder.Path);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var generator = new Generator(7);
        foreach (var (_, weight) in Aligned.named_parameters())
            weight.add_((randn(weight.shape, generator: generator) * distance).to(dtype));
        Probe = new BasinProbe
        {
            Tokenizer = new CharacterTokenizer(),
            Template = ChatTemplate.Plain,
            Prompts = [new("how"), new("tell me"), new("why not")],
            Refusals = ["no", "never", "no way"],
            Generation = new() { MaxNewTokens = 4 },
            LikelihoodBatchSize = 4,
        };
        Before = Bits();
    }

    public CausalLanguageModel Base { get; }

    public CausalLanguageModel Aligned { get; }

    public ModelCheckpoint Checkpoint { get; }

    public BasinProbe Probe { get; }

    public byte[][] Before { get; }

    /// <summary>The aligned model's weights, byte by byte.</summary>
    public byte[][] Bits() => [.. Aligned.Weights().Select(weight => weight.Value.detach().contiguous().bytes.ToArray())];

    /// <summary>Tokenizer settings with which a scan of 3 points on D and one random direction runs.</summary>
    public static BasinOptions Few => new() { From = -1, To = 1, Points = 3, RandomDirections = 1 };

    public void Dispose()
    {
        Base.Dispose();
        Aligned.Dispose();
        Checkpoint.Dispose();
        _folder.Dispose();
    }

    internal class CharacterTokenizer : LanguageTokenizer
    {
        public override int VocabularySize => 40;

        public override int? BosId => null;

        public override IReadOnlyList<int> EosIds => [2];

        public override int PadId => 0;

        public override bool AddBos => false;

        public override IReadOnlyList<int> Encode(string text) => [.. text.Select(c => 3 + c % 37)];

        public override IReadOnlyList<int> Encode(string text, out IReadOnlyList<int> ends)
        {
            ends = [.. Enumerable.Range(1, text.Length)];
            return Encode(text);
        }

        public override string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => string.Concat(ids.Select(id => (char)('a' + id % 26)));
    }
}

/// <summary>Runs on the scan's own thread, while the model stands at the point.</summary>
internal sealed class AtPoint(Action<BasinProgress> action) : IProgress<BasinProgress>
{
    public void Report(BasinProgress value) => action(value);
}
