using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using static TorchSharp.torch;

namespace AsFT.Torch.Tests.Safety.Judges;

internal static class TestJudge
{
    /// <summary>Writes a moderation checkpoint on the stories decoder whose head is scaled up, so that probabilities spread over (0, 1).</summary>
    public static string Write(string folder, IReadOnlyList<string> labels, string problemType = "multi_label_classification")
    {
        var source = TestData.Model("models/stories260K");
        using var model = SequenceClassifier.FromDecoder(source, labels, problemType, ComputePlacement.Resolve("cpu", "float32"), seed: 5);
        using (no_grad()) model.Score.Weight.Parameter.mul_(20);
        model.Save(folder);
        foreach (var name in new[] { "tokenizer.model", "generation_config.json" }) File.Copy(Path.Combine(source, name), Path.Combine(folder, name), overwrite: true);
        return folder;
    }
}
