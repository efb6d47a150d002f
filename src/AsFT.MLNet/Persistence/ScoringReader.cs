using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety.Judges;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet.Persistence;

/// <summary>Makes a judge source of the parts of a model.zip.</summary>
internal static class ScoringReader
{
    // A classifier is a pipeline of ML.NET, in which there may be a transformer of ours with a classifier again.
    private const int MostNested = 2;
    private const long MaxClassifierBytes = 1L << 30;

    private static readonly AsyncLocal<int> Depth = new();

    /// <param name="environment">Says where to compute where the options do not.</param>
    /// <param name="parts">The parts of the zip.</param>
    /// <param name="loading">What cannot be saved, and what is not as it was saved.</param>
    public static (ScoreHarmfulnessOptions Options, JudgeSource Source, JudgeTrainingResult? Result) Read(IHostEnvironment environment, SavedParts parts, AsftLoadOptions loading)
    {
        var saved = SavedScoring.Read(parts);
        var options = saved.Options;
        loading.CheckPlacement();
        if (options.Judge is ModerationModelOptions moderation)
        {
            moderation.Device = loading.Device ?? moderation.Device;
            moderation.DType = loading.DType ?? moderation.DType;
        }
        if (options.Judge is ChatModelOptions chat) chat.Client = loading.ChatClient;
        if (options.Judge is CustomJudgeOptions custom) custom.Judge = loading.Judge;
        loading.ConfigureScoring?.Invoke(options);
        Check(options, parts, isConfigured: loading.ConfigureScoring is not null);
        var source = options.Judge switch
        {
            ModerationModelOptions judge => Moderation(environment, judge, saved, parts, loading),
            ClassifierOptions judge => Classifier(judge, parts),
            ChatModelOptions { Client: null } judge => new JudgeSource([.. judge.Categories], () => throw Missing("a chat model", nameof(AsftLoadOptions.ChatClient))),
            CustomJudgeOptions { Judge: null } => new JudgeSource(saved.Categories, () => throw Missing("a judge of the program that saved it", nameof(AsftLoadOptions.Judge))),
            var judge => judge!.Source(environment),
        };
        if (options.Judge is CustomJudgeOptions && !source.Categories.SequenceEqual(saved.Categories))
            throw OptionsCheck.Wrong(nameof(AsftLoadOptions.Judge), $"AsftLoadOptions.Judge has the categories {string.Join(", ", source.Categories)}; the saved one had {string.Join(", ", saved.Categories)}.");
        return (options, source, saved.Result);
    }

    private static void Check(ScoreHarmfulnessOptions options, SavedParts parts, bool isConfigured)
    {
        try
        {
            options.Validate();
        }
        catch (ArgumentException e) when (!isConfigured)
        {
            throw new InvalidDataException($"'{parts.Name(SavedScoring.PartName)}' holds a wrong option, which AsftLoadOptions.ConfigureScoring can set: {e.Message}", e);
        }
    }

    private static JudgeSource Moderation(IHostEnvironment environment, ModerationModelOptions judge, SavedScoring saved, SavedParts parts, AsftLoadOptions loading)
    {
        var model = LocatedModel.Open(parts, saved.Model!, saved.IsModelEmbedded, loading.JudgeModelPath, loading, ModelRole.Judge);
        try
        {
            judge.ModelPath = model.Folder;
            return new JudgeSource(ModerationModelJudge.ReadCategories(model.Folder, judge.Settings), () =>
            {
                model.CheckContents();
                return judge.Load(environment, model.Folder);
            })
            {
                Model = new JudgeModel(Path.GetFullPath(model.Folder), new Lazy<ModelReference>(model.Reference)),
                Located = model,
            };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static JudgeSource Classifier(ClassifierOptions options, SavedParts parts)
    {
        var depth = Depth.Value;
        if (depth == MostNested)
            throw new InvalidDataException($"'{parts.Name(SavedScoring.ClassifierName)}' lies in a classifier that lies in a classifier; at most {MostNested} are read within each other.");
        using var folder = PassingFolder.InTemp("classifier");
        var path = Path.Combine(folder.Path, SavedScoring.ClassifierName);
        parts.Extract(SavedScoring.ClassifierName, path, MaxClassifierBytes);
        Depth.Value = depth + 1;
        try
        {
            options.Model = new MLContext().Model.Load(path, out var schema);
            options.InputSchema = schema;
        }
        finally
        {
            Depth.Value = depth;
        }
        var judge = new ClassifierJudge(options, options.Model, ownsModel: true);
        return new JudgeSource(judge.Categories, () => judge) { Classifier = judge };
    }

    private static InvalidOperationException Missing(string what, string option) =>
        new($"This transformer was saved with {what}, which cannot be saved. Load it with mlContext.Model.LoadAsft and give it in AsftLoadOptions.{option}.");
}
