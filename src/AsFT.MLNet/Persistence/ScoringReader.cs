using AsFT.MLNet.FineTuning;
using AsFT.MLNet.Scoring;
using AsFT.Torch.Runtime;
using AsFT.Torch.Safety;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace AsFT.MLNet.Persistence;

/// <summary>Makes a judge source of the parts of a model.zip.</summary>
internal static class ScoringReader
{
    /// <param name="environment">Says where to compute where the options do not.</param>
    /// <param name="readPart">Calls back with the stream of a part.</param>
    /// <param name="loading">What cannot be saved, and what is not as it was saved.</param>
    public static (ScoreHarmfulnessOptions Options, JudgeSource Source, JudgeTrainingResult? Result) Read(IHostEnvironment environment, Action<string, Action<Stream>> readPart, AsftLoadOptions loading)
    {
        SavedScoring saved = null!;
        readPart(SavedScoring.PartName, stream => saved = SavedScoring.Read(stream));
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
        Check(options, isConfigured: loading.ConfigureScoring is not null);
        var source = options.Judge switch
        {
            ModerationModelOptions judge => Moderation(environment, judge, saved, readPart, loading),
            ClassifierOptions judge => Classifier(judge, readPart),
            ChatModelOptions { Client: null } judge => new JudgeSource([.. judge.Categories], () => throw Missing("a chat model", nameof(AsftLoadOptions.ChatClient))),
            CustomJudgeOptions { Judge: null } => new JudgeSource(saved.Categories, () => throw Missing("a judge of the program that saved it", nameof(AsftLoadOptions.Judge))),
            var judge => judge!.Source(environment),
        };
        if (options.Judge is CustomJudgeOptions && !source.Categories.SequenceEqual(saved.Categories))
            throw OptionsCheck.Wrong(nameof(AsftLoadOptions.Judge), $"AsftLoadOptions.Judge has the categories {string.Join(", ", source.Categories)}; the saved one had {string.Join(", ", saved.Categories)}.");
        return (options, source, saved.Result);
    }

    private static void Check(ScoreHarmfulnessOptions options, bool isConfigured)
    {
        try
        {
            options.Validate();
        }
        catch (ArgumentException e) when (!isConfigured)
        {
            throw new InvalidDataException($"The model file's part '{SavedScoring.PartName}' holds a wrong option, which AsftLoadOptions.ConfigureScoring can set: {e.Message}", e);
        }
    }

    private static JudgeSource Moderation(IHostEnvironment environment, ModerationModelOptions judge, SavedScoring saved, Action<string, Action<Stream>> readPart, AsftLoadOptions loading)
    {
        var model = saved.Model!;
        var extracted = saved.IsModelEmbedded && loading.JudgeModelPath is null ? ModelFolder.Extract(readPart, model) : null;
        try
        {
            var folder = extracted?.Path ?? ModelFolder.Find(model, loading.JudgeModelPath, loading.ZipFolder, ModelRole.Judge);
            model.CheckSizes(folder, ModelRole.Judge);
            var isChecked = model.Size() <= ModelFolder.HashAtOnce;
            if (isChecked) model.CheckContents(folder, ModelRole.Judge);
            judge.ModelPath = folder;
            // Saved again, the zip names the place where the model lies now; a passing folder is no such place.
            var reference = extracted is null ? model.At(folder) : model;
            return new JudgeSource(ModerationModelJudge.ReadCategories(folder, judge.Settings()), () =>
            {
                if (!isChecked) model.CheckContents(folder, ModelRole.Judge);
                return judge.Load(environment, folder);
            })
            {
                Model = new JudgeModel(Path.GetFullPath(folder), new Lazy<ModelReference>(reference)),
                Extracted = extracted,
            };
        }
        catch
        {
            extracted?.Dispose();
            throw;
        }
    }

    private static JudgeSource Classifier(ClassifierOptions options, Action<string, Action<Stream>> readPart)
    {
        using var folder = PassingFolder.InTemp("classifier");
        var path = Path.Combine(folder.Path, SavedScoring.ClassifierName);
        readPart(SavedScoring.ClassifierName, stream =>
        {
            using var target = File.Create(path);
            stream.CopyTo(target);
        });
        options.Model = new MLContext().Model.Load(path, out var schema);
        options.InputSchema = schema;
        var judge = new ClassifierJudge(options, options.Model, ownsModel: true);
        return new JudgeSource(judge.Categories, () => judge) { Classifier = judge };
    }

    private static InvalidOperationException Missing(string what, string option) =>
        new($"This transformer was saved with {what}, which cannot be saved. Load it with mlContext.Model.LoadAsft and give it in AsftLoadOptions.{option}.");
}
