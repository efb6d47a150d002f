using System.Diagnostics;
using System.Text.Json;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Generation;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tests.Checkpoints;
using AsFT.Torch.Tokenization;
using AsFT.Torch.Training;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Models.Families;

/// <summary>SmolLM2-135M-Instruct, a chat model that people use, and the same with refusals, against transformers and PEFT; where the folder of ASFT_REFERENCE holds it.</summary>
[Trait("Category", "Goldens")]
public sealed class RealModelGoldenTests(RealModelGoldenTests.Folders folders) : IClassFixture<RealModelGoldenTests.Folders>
{
    private static readonly ComputePlacement Float32 = ComputePlacement.Resolve("cpu", "float32");

    [Theory]
    [InlineData("instruct")]
    [InlineData("refusing")]
    public void Prompts_scores_and_greedy_answers_are_those_of_transformers(string name)
    {
        using var scope = NewDisposeScope();
        var folder = folders.Of(name);
        var (tokenizer, template) = (LanguageTokenizer.Load(folder), ChatTemplates.Load(folder));
        using var model = CausalLanguageModel.Load(folder, Float32);
        foreach (var golden in folders.Golden.GetProperty("models").GetProperty(name).EnumerateArray())
        {
            var ids = template.TokenizePrompt(tokenizer, new ChatExample(golden.GetProperty("prompt").GetString()!));
            Assert.Equal(Ints(golden.GetProperty("ids")), ids);

            var logits = model.LogitsOf(TinyLlama.Ids([.. ids.Select(id => (long)id)]))[0, -1].to(ScalarType.Float64);
            foreach (var (id, expected) in Ints(golden.GetProperty("top_ids")).Zip(golden.GetProperty("top_logits").EnumerateArray()))
                Assert.Equal(expected.GetDouble(), logits[id].item<double>(), 2e-3);
            Assert.Equal(golden.GetProperty("logsumexp").GetDouble(), logits.logsumexp(0).item<double>(), 2e-3);

            var sure = golden.GetProperty("greedy_margin").EnumerateArray().TakeWhile(margin => margin.GetDouble() >= 1e-3).Count();
            int[] greedy = [.. Ints(golden.GetProperty("greedy")).Take(sure).TakeWhile(id => !tokenizer.EosIds.Contains(id))];
            var answer = new TextGenerator(model, tokenizer).Generate([ids], new GenerationOptions { MaxNewTokens = 40 })[0];
            Assert.Equal(greedy, answer.Ids.Take(greedy.Length));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Ten_steps_are_those_of_PEFT_with_the_published_penalty(int lambda)
    {
        var (aligned, baseline) = (folders.Of("refusing"), folders.Of("instruct"));
        var train = folders.Golden.GetProperty("train");
        var (tokenizer, template) = (LanguageTokenizer.Load(aligned), ChatTemplates.Load(aligned));
        using var model = CausalLanguageModel.Load(aligned, Float32);
        using var start = Folders.StartAdapter();
        using var adapter = LoraAdapter.Load(model.LinearLayers(), start.Path);
        using var checkpoint = ModelCheckpoint.Open(aligned);
        using var other = ModelCheckpoint.Open(baseline);
        using var direction = AlignmentDirection.Build(checkpoint, other, adapter.Layers.Select(layer => layer.Name));
        using var penalty = new AlignmentPenalty(direction, adapter.Layers);
        var examples = new List<TokenizedExample>();
        foreach (var ((row, ids), from) in train.GetProperty("rows").EnumerateArray().Zip(train.GetProperty("ids").EnumerateArray()).Zip(Ints(train.GetProperty("supervised_from"))))
        {
            var example = template.Tokenize(tokenizer, new ChatExample(row.GetProperty("prompt").GetString()!, row.GetProperty("response").GetString()!));
            // The reference ends with the turn's end, the template with a line's.
            var end = Ints(ids).Length;
            Assert.Equal(Ints(ids), example.Ids[..end]);
            Assert.Equal(Enumerable.Range(0, end).Select(t => t >= from), example.Supervised[..end]);
            examples.Add(new(example.Ids[..end], example.Supervised[..end]));
        }

        var expected = train.GetProperty($"curve.lambda{lambda}").EnumerateArray().ToArray();
        var result = new FineTuner(model, adapter, penalty, new TrainingOptions
        {
            Epochs = expected.Length,
            BatchSize = examples.Count,
            LearningRate = 1e-3,
            Schedule = LearningRateSchedule.Constant,
            PenaltyWeight = lambda,
            Shuffle = false,
            ReportEvery = 1,
        }).Train(examples);

        for (var i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i][0].GetDouble(), result.History[i].CrossEntropy, 1e-3 * expected[i][0].GetDouble());
            Assert.Equal(expected[i][1].GetDouble(), result.History[i].Penalty, 1e-3 * Math.Max(1e-3, expected[i][1].GetDouble()));
        }
    }

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(item => item.GetInt32())];

    /// <summary>Both checkpoints, unpacked once by the script that lies beside them.</summary>
    public sealed class Folders : IDisposable
    {
        private TemporaryFolder? _unpacked;

        public JsonElement Golden { get; private set; }

        public string Of(string name)
        {
            if (_unpacked is not null) return _unpacked[name];
            var script = Reference.File("real", "smollm2", "unpack.py");
            Golden = Reference.Json("real", "smollm2", "golden.json").RootElement;
            var folder = new TemporaryFolder();
            using var python = Process.Start(new ProcessStartInfo("python3", [script, folder.Path]) { RedirectStandardError = true })!;
            var error = python.StandardError.ReadToEnd();
            python.WaitForExit();
            if (python.ExitCode != 0) folder.Dispose();
            Assert.SkipUnless(python.ExitCode == 0, $"{script} wants Python with numpy: {error}");
            _unpacked = folder;
            return folder[name];
        }

        internal static TemporaryFolder StartAdapter()
        {
            var folder = new TemporaryFolder();
            using var scope = NewDisposeScope();
            using var file = SafetensorsFile.Open(Reference.File("real", "smollm2", "start-adapter.safetensors"));
            // Named as PEFT's modules are, not as its files.
            SafetensorsWriter.Write(folder["adapter_model.safetensors"], file.Entries.Keys.Select(name => KeyValuePair.Create(name.Replace(".default.", ".", StringComparison.Ordinal), file.Read(name))));
            File.WriteAllText(folder["adapter_config.json"], """{"peft_type":"LORA","r":8,"lora_alpha":32,"lora_dropout":0.0,"target_modules":["q_proj","v_proj"]}""");
            return folder;
        }

        public void Dispose() => _unpacked?.Dispose();
    }
}
