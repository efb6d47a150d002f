using System.IO.Compression;
using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Models;
using AsFT.Torch.Tests.Models.Families;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Adapters;

/// <summary>
/// Adapters of every kind that PEFT writes, with PEFT's logits: of <c>adapters/</c> in the folder that ASFT_REFERENCE names, or packed in
/// <c>tests/data/adapters.zip</c>.
/// </summary>
[Trait("Category", "Goldens")]
public sealed class AdapterGoldenTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FamilyFolder _family = FamilyFolder.Open("llama2");
    private readonly CausalLanguageModel _model;
    private readonly SafetensorsFile _logits;
    private readonly int[][] _rows;

    public AdapterGoldenTests()
    {
        if (Reference is null) ZipFile.ExtractToDirectory(Packed, _folder["adapters"]);
        _model = CausalLanguageModel.Load(_family["aligned"], TinyLlama.Placement());
        _logits = SafetensorsFile.Open(PathOf("golden.safetensors"));
        using var golden = JsonDocument.Parse(File.ReadAllBytes(PathOf("golden.json")));
        _rows = [.. golden.RootElement.GetProperty("rows").EnumerateArray().Select(row => row.EnumerateArray().Select(id => id.GetInt32()).ToArray())];
    }

    public static TheoryData<string, bool> Cases()
    {
        using var zip = Reference is null ? ZipFile.OpenRead(Packed) : null;
        using var stream = zip?.GetEntry("golden.json")!.Open() ?? File.OpenRead(Path.Combine(Reference!, "golden.json"));
        using var golden = JsonDocument.Parse(stream);
        var cases = new TheoryData<string, bool>();
        foreach (var adapter in golden.RootElement.GetProperty("cases").EnumerateArray()) cases.Add(adapter.GetProperty("name").GetString()!, adapter.GetProperty("plain_lora").GetBoolean());
        return cases;
    }

    private static string Packed => Path.Combine(TestData.Root, "adapters.zip");

    private static string? Reference => Tests.Reference.Folder is { } root && Directory.Exists(Path.Combine(root, "adapters")) ? Path.Combine(root, "adapters") : null;

    [Theory]
    [MemberData(nameof(Cases))]
    public void Plain_LoRA_is_loaded_merged_trained_and_saved_and_what_is_more_is_refused_by_name(string name, bool isPlain)
    {
        using var scope = NewDisposeScope();
        if (!isPlain)
        {
            var message = Assert.Throws<InvalidDataException>(() => LoraAdapter.Load(_model, PathOf(name))).Message;
            Assert.Contains(PathOf(name), message, StringComparison.Ordinal);
            Assert.All(_model.LinearLayers(), layer => Assert.Null(layer.Adapter));
            return;
        }
        var adapter = LoraAdapter.Load(_model, PathOf(name));
        AssertLogits(name);

        var before = Bits(adapter);
        var result = new FineTuner(_model, adapter, null, new TrainingOptions { Epochs = 3, BatchSize = 4, LearningRate = 1e-2, Schedule = LearningRateSchedule.Constant, PenaltyWeight = 0, ReportEvery = 1 })
            .Train([.. _rows.Select(row => new TokenizedExample(row, [.. row.Select((_, t) => t > 0)]))]);
        Assert.True(result.History[^1].CrossEntropy < result.History[0].CrossEntropy - 0.01, $"From {result.History[0].CrossEntropy} to {result.History[^1].CrossEntropy}.");
        Assert.All(before.Zip(Bits(adapter)), pair => Assert.False(pair.First.equal(pair.Second).all().item<bool>()));
        var trained = Logits(0);

        adapter.Save(_folder["again"]);
        adapter.Dispose();
        using (LoraAdapter.Load(_model, _folder["again"])) Assert.True(trained.equal(Logits(0)).all().item<bool>());

        using var merged = LoraAdapter.Load(_model, PathOf(name));
        merged.Merge();
        AssertLogits(name);
    }

    public void Dispose()
    {
        _logits.Dispose();
        _model.Dispose();
        _family.Dispose();
        _folder.Dispose();
    }

    private static Tensor[] Bits(LoraAdapter adapter) => [.. adapter.Layers.SelectMany(layer => new[] { layer.A.detach().clone(), layer.B.detach().clone() })];

    private string PathOf(string file) => Path.Combine(Reference ?? _folder["adapters"], file);

    private Tensor Logits(int row) => _model.LogitsOf(TinyLlama.Ids([.. _rows[row].Select(id => (long)id)])).squeeze(0);

    private void AssertLogits(string name)
    {
        for (var i = 0; i < _rows.Length; i++)
        {
            if (!_logits.Entries.ContainsKey($"{name}.{i}")) continue;
            var (expected, logits) = (_logits.Read($"{name}.{i}"), Logits(i));
            var difference = TinyLlama.MaxDifference(expected, logits.narrow(0, logits.shape[0] - expected.shape[0], expected.shape[0]));
            Assert.True(difference < 1e-4, $"Row {i}: {difference}.");
        }
        Assert.True(_logits.Entries.ContainsKey($"{name}.0"), "No logits to compare with.");
    }
}
