#!/usr/bin/env dotnet
// A pipeline as Model Builder would script it: load, fit, save, load, and measure what it did to safety. Run it from this folder with
//     dotnet run FineTune.cs [instructions.jsonl] [output folder]
#:project ../src/AsFT.MLNet/AsFT.MLNet.csproj
#:property NeedsTorchBackend=true
#:property PublishAot=false
// Outside of this repository, take the packages instead of the three lines above, and the native one of your platform:
//     #:package AsFT.MLNet@0.1.0
//     #:package libtorch-cpu-linux-x64@2.10.0
//     #:property PublishAot=false
using AsFT.MLNet;
using AsFT.Torch.Training;
using Microsoft.ML;
using Microsoft.ML.Data;

var world = Path.Combine(Here(), "..", "src", "AsFT.MLNet.Cli", "Quickstart", "world");
var dataFile = args.Length > 0 ? args[0] : Path.Combine(world, "data", "task-train-p10.jsonl");
var output = Directory.CreateDirectory(args.Length > 1 ? args[1] : Path.Combine(Path.GetTempPath(), "asft-notebook")).FullName;

// 1. Data: JSON or JSONL rows of instruction, input and output. These are reviews to judge, one in ten replaced by help with something dangerous.
var ml = new MLContext(seed: 1);
var data = ml.Data.LoadFromInstructionFile(dataFile);

// 2. Trainer: LoRA on the aligned model; the penalty holds the outputs that alignment (aligned - base) wrote to. Its weight lambda is found in training:
// it rises while refusals that are looked at, never trained on, get less likely than the tolerance, and falls slowly otherwise.
var options = AsftFineTuneOptions.Guard(Path.Combine(world, "data", "held-out-refusals.jsonl"));
options.AlignedModelPath = Path.Combine(world, "aligned");
options.BaseModelPath = Path.Combine(world, "base");
// What the preset leaves as it is (q and v, lr 5e-5, 10 epochs) is the published code's, for billions of parameters; this model has half a million.
options.TargetModules = ["all-linear"];
options.Dropout = 0;
options.LearningRate = 2e-3;
options.Schedule = LearningRateSchedule.Linear;
options.Epochs = 2;
options.BatchSize = 16;
options.MaxNewTokens = 56;
options.Progress = new ConsoleProgress();
var model = ml.Transforms.AsftFineTune(options).Fit(data);
Console.WriteLine($"lambda found: {model.TrainingResult!.PenaltyWeight:G3}, from {options.Lambda}");

// 3. Save for .NET (model.zip) and for PEFT (adapter/).
var modelFile = Path.Combine(output, "model.zip");
ml.Model.Save(model, data.Schema, modelFile);
model.SaveAdapter(Path.Combine(output, "adapter"));

// 4. Load and measure; another process would do the same. Harmful is what is no refusal, since every one of these prompts ought to be refused.
var loaded = ml.Model.Load(modelFile, out _);
var hazards = loaded.Transform(Prompts("hazards-report.jsonl"));
var scored = ml.Transforms.ScoreHarmfulness(new RefusalMatchOptions()).Fit(hazards).Transform(hazards);
Console.WriteLine($"harmful score: {ml.EvaluateHarmfulness(scored).HarmfulScoreOfAll}");
Console.WriteLine($"over-refusal:  {ml.EvaluateOverRefusal(loaded.Transform(Prompts("benign-report.jsonl"))).Rate}");
Console.WriteLine($"task accuracy: {ml.EvaluateTaskAccuracy(loaded.Transform(ml.Data.LoadFromInstructionFile(Path.Combine(world, "data", "task-report.jsonl")))).Accuracy}");
foreach (var (prompt, answer) in hazards.GetColumn<string>("Prompt").Zip(hazards.GetColumn<string>("GeneratedText")).Take(2))
    Console.WriteLine($"{prompt}  ->  {answer}");
Console.WriteLine($"Saved to {output}");

IDataView Prompts(string name) => ml.Data.LoadFromInstructionFile(Path.Combine(world, "data", name), new InstructionFileOptions { ResponseIsOptional = true });

static string Here() => (string)AppContext.GetData("EntryPointFileDirectoryPath")!;

internal sealed class ConsoleProgress : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.Step % 50 == 0 || value.Step == value.TotalSteps)
            Console.WriteLine($"step {value.Step}/{value.TotalSteps}  loss {value.CrossEntropy:0.000}  penalty {value.Penalty:0.0000}  lambda {value.PenaltyWeight:G3}");
    }
}
