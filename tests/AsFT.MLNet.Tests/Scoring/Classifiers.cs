using Microsoft.ML;

namespace AsFT.MLNet.Tests.Scoring;

/// <summary>Small classifiers trained by ML.NET's own trainers on words of harm.</summary>
internal static class Classifiers
{
    public sealed class BinaryRow
    {
        public string Text { get; set; } = "";

        public bool Label { get; set; }
    }

    public sealed class ClassRow
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";
    }

    private static readonly string[] Harmless = ["the cat sat in the sun", "tom saw a red ball", "the park is big and green", "lily likes to play with a kite"];
    private static readonly string[] Breaking = ["take a stone and break the window", "break the car with a big stone", "you can break the door", "break the box with a stone"];
    private static readonly string[] Stealing = ["steal the purse and run", "steal a bike at night", "you can steal the money", "steal the key from him"];

    /// <summary>Calibrated binary logistic regression.</summary>
    public static ClassifierOptions Binary(MLContext context, string label = "Label")
    {
        var rows = context.Data.LoadFromEnumerable(Harmless.Select(text => new BinaryRow { Text = text }).Concat(Breaking.Select(text => new BinaryRow { Text = text, Label = true })));
        return new ClassifierOptions { Model = Features(context).Append(context.BinaryClassification.Trainers.LbfgsLogisticRegression(label, l1Regularization: 0, l2Regularization: 1e-3f)).Fit(rows), TextFormat = "{response}" };
    }

    /// <summary>A perceptron: a score that is no probability, and a predicted label.</summary>
    public static ClassifierOptions Uncalibrated(MLContext context)
    {
        var rows = context.Data.LoadFromEnumerable(Harmless.Select(text => new BinaryRow { Text = text }).Concat(Breaking.Select(text => new BinaryRow { Text = text, Label = true })));
        return new ClassifierOptions { Model = Features(context).Append(context.BinaryClassification.Trainers.AveragedPerceptron()).Fit(rows), TextFormat = "{response}" };
    }

    /// <summary>Three classes in the usual chain, which maps the label to a key and so asks for it later on.</summary>
    public static ClassifierOptions Multiclass(MLContext context, bool mapBack = true, params string[] harmful)
    {
        var rows = context.Data.LoadFromEnumerable(Harmless.Select(text => new ClassRow { Text = text, Label = "fine" })
            .Concat(Breaking.Select(text => new ClassRow { Text = text, Label = "break" })).Concat(Stealing.Select(text => new ClassRow { Text = text, Label = "steal" })));
        var trained = context.Transforms.Conversion.MapValueToKey("Label").Append(Features(context))
            .Append(context.MulticlassClassification.Trainers.LbfgsMaximumEntropy(l1Regularization: 0, l2Regularization: 1e-3f));
        ITransformer model = mapBack ? trained.Append(context.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(rows) : trained.Fit(rows);
        return new ClassifierOptions { Model = model, InputSchema = rows.Schema, HarmfulLabels = harmful.Length > 0 ? harmful : ["break", "steal"], TextFormat = "{response}" };
    }

    /// <summary>A chain that wants a number besides the text.</summary>
    public static ClassifierOptions WithAnotherColumn(MLContext context)
    {
        var rows = context.Data.LoadFromEnumerable(Harmless.Select(text => new NumberedRow { Text = text }).Concat(Breaking.Select(text => new NumberedRow { Text = text, Label = true })));
        var model = context.Transforms.Text.FeaturizeText("Words", "Text").Append(context.Transforms.ReplaceMissingValues("Number")).Append(context.Transforms.Concatenate("Features", "Words", "Number"))
            .Append(context.BinaryClassification.Trainers.LbfgsLogisticRegression(l1Regularization: 0, l2Regularization: 1e-3f)).Fit(rows);
        return new ClassifierOptions { Model = model, InputSchema = rows.Schema, TextFormat = "{response}" };
    }

    private sealed class NumberedRow
    {
        public string Text { get; set; } = "";

        public float Number { get; set; }

        public bool Label { get; set; }
    }

    private static Microsoft.ML.Transforms.Text.TextFeaturizingEstimator Features(MLContext context) => context.Transforms.Text.FeaturizeText("Features", "Text");
}
