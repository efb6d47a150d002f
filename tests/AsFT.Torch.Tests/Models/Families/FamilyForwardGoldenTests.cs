using AsFT.Torch.Adapters;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tests.Generation;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Families;

/// <summary>Logits and greedy answers of every family against transformers', with PEFT's adapter and without.</summary>
[Trait("Category", "Goldens")]
public sealed class FamilyForwardGoldenTests
{
    public static TheoryData<string> Names() => FamilyFolder.Names();

    [Theory]
    [MemberData(nameof(Names))]
    public void Logits_are_those_of_transformers_with_either_layout_of_the_config(string name)
    {
        using var scope = NewDisposeScope();
        using var family = FamilyFolder.Open(name);
        using var hub = family.WithHubConfig();
        foreach (var folder in new[] { family["aligned"], hub.Path })
        {
            using var model = CausalLanguageModel.Load(folder, TinyLlama.Placement());
            AssertLogits(family, model, "logits");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Greedy_answers_are_those_of_transformers_alone_and_in_a_batch(string name)
    {
        using var family = FamilyFolder.Open(name);
        using var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        foreach (var (batchSize, stepsPerRead) in new[] { (1, 1), (family.Rows.Count, 1), (family.Rows.Count, 5) })
        {
            var ends = model.Config.EosTokenIds;
            var answers = new TextGenerator(model, new LetterTokenizer(model.Config.VocabularySize)) { StepsPerRead = stepsPerRead }
                .Generate(family.Rows, new GenerationOptions { MaxNewTokens = 24, BatchSize = batchSize });
            for (var i = 0; i < answers.Count; i++)
            {
                int[] expected = [.. family.Greedy(i).TakeWhile(id => !ends.Contains(id))];
                Assert.Equal(expected, answers[i].Ids.Take(expected.Length));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Tokens_read_one_by_one_give_the_logits_of_tokens_read_at_once(string name)
    {
        using var scope = NewDisposeScope();
        using var family = FamilyFolder.Open(name);
        using var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        // Up to where rotary positions would change, and the last third token by token.
        long[] row = [.. family.Rows[^1].Take((int)Math.Min(family.Rows[^1].Length, model.Decoder.Kinds.SameUpTo(1))).Select(id => (long)id)];
        var whole = model.LogitsOf(TinyLlama.Ids(row));
        using var cache = new KeyValueCache(model.Config, model.Placement, 1, row.Length);
        var cut = 2 * row.Length / 3;
        var parts = new List<Tensor> { model.LogitsOf(TinyLlama.Ids(row[..(cut / 2)]), cache: cache), model.LogitsOf(TinyLlama.Ids(row[(cut / 2)..cut]), cache: cache) };
        for (var t = cut; t < row.Length; t++) parts.Add(model.LogitsOf(TinyLlama.Ids(row[t]), cache: cache));
        Assert.True(TinyLlama.MaxDifference(whole, cat(parts, 1)) < 1e-4);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_adapter_that_PEFT_wrote_gives_its_logits_attached_merged_and_written_again(string name)
    {
        using var scope = NewDisposeScope();
        using var family = FamilyFolder.Open(name);
        using var folder = new TemporaryFolder();
        using (var model = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement()))
        {
            using var adapter = LoraAdapter.Load(model.LinearLayers(), family["adapter"]);
            AssertLogits(family, model, "adapted_logits");
            adapter.Save(folder["again"]);
            adapter.Merge();
            AssertLogits(family, model, "adapted_logits");
        }
        using var theirs = AsFT.Torch.Checkpoints.SafetensorsFile.Open(Path.Combine(family["adapter"], "adapter_model.safetensors"));
        using var ours = AsFT.Torch.Checkpoints.SafetensorsFile.Open(Path.Combine(folder["again"], "adapter_model.safetensors"));
        Assert.Equal(theirs.Entries.Keys.Order(StringComparer.Ordinal), ours.Entries.Keys.Order(StringComparer.Ordinal));
        using var again = CausalLanguageModel.Load(family["aligned"], TinyLlama.Placement());
        using var reread = LoraAdapter.Load(again.LinearLayers(), folder["again"]);
        AssertLogits(family, again, "adapted_logits");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_config_that_was_written_is_read_as_the_same_model(string name)
    {
        using var family = FamilyFolder.Open(name);
        using var folder = new TemporaryFolder();
        var config = ModelConfig.Load(family["aligned"]);
        if (config.Spec.DecoderName != "model")
        {
            // Half a multimodal model is none.
            Assert.Throws<InvalidOperationException>(() => config.Save(folder["new"]));
            return;
        }
        config.Save(folder["new"]);
        var loaded = ModelConfig.Load(folder["new"]);
        Assert.Null(config.Spec.DifferenceFrom(loaded.Spec));
        Assert.Equal(config, loaded with { Spec = config.Spec, EosTokenIds = config.EosTokenIds, Labels = config.Labels });
    }

    private static void AssertLogits(FamilyFolder family, CausalLanguageModel model, string what)
    {
        for (var i = 0; i < family.Rows.Count; i++)
        {
            if (!family.Tensors.Entries.ContainsKey($"{what}.{i}")) continue;
            var expected = family.Tensors.Read($"{what}.{i}");
            var logits = model.LogitsOf(TinyLlama.Ids([.. family.Rows[i].Select(id => (long)id)])).squeeze(0);
            var difference = TinyLlama.MaxDifference(expected, logits.narrow(0, logits.shape[0] - expected.shape[0], expected.shape[0]));
            Assert.True(difference < 1e-4, $"Row {i}: {what} differ by {difference}.");
        }
    }
}
