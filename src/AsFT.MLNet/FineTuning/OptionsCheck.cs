using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Training;

namespace AsFT.MLNet.FineTuning;

/// <summary>Checks options before any file is read; each message names the option, its value and what is wanted.</summary>
internal static class OptionsCheck
{
    /// <summary>Gives a shallow copy of options arrays of its own, so that changes within the original's do not reach it.</summary>
    public static T WithOwnArrays<T>(T copy) where T : notnull
    {
        foreach (var property in copy.GetType().GetProperties())
            if (property.PropertyType == typeof(string[]) && property.CanWrite && property.GetValue(copy) is string[] texts) property.SetValue(copy, texts.Clone());
        return copy;
    }

    /// <exception cref="ArgumentException">An option is wrong.</exception>
    public static void Validate(AsftFineTuneOptions options)
    {
        Columns(options);
        Answers(options);
        Models(options);
        // By its name here; the engine calls it PenaltyWeight.
        OptionRange.PenaltyWeight.Check(options.Lambda, nameof(options.Lambda));
        options.Penalty.Validate();
        Refusals(options);
        Texts(options.TargetModules, nameof(options.TargetModules));
        if (options.TargetModules.Count == 0)
            throw Wrong(nameof(options.TargetModules), "TargetModules is empty; name at least one linear layer, such as q_proj, or all-linear.");
        Texts(options.UnprotectedLayers, nameof(options.UnprotectedLayers));
        options.Adapter.Validate();
        options.Training.Validate();
        if (options.MaxSequenceLength < 2) throw OutOfRange(nameof(options.MaxSequenceLength), options.MaxSequenceLength, "MaxSequenceLength must be at least 2, or null.");
        OptionRange.Share.Check(options.ValidationFraction, nameof(options.ValidationFraction));
        Generation(options);
        ChatTemplates.Load(options.AlignedModelPath!, options.Template);
        ComputePlacement.Resolve(options.Device ?? "auto", options.DType).RequireTrainable();
        Format(options);
        if (!Enum.IsDefined(options.SupervisedTurns)) throw OutOfRange(nameof(options.SupervisedTurns), options.SupervisedTurns, $"SupervisedTurns must be one of {string.Join(", ", Enum.GetNames<SupervisedTurns>())}.");
        if (!Enum.IsDefined(options.Overlong)) throw OutOfRange(nameof(options.Overlong), options.Overlong, $"Overlong must be one of {string.Join(", ", Enum.GetNames<OverlongRows>())}.");
    }

    /// <summary>Checks what a trained model still goes by: columns and decoding.</summary>
    /// <exception cref="ArgumentException">An option is wrong.</exception>
    public static void ValidateAnswering(AsftFineTuneOptions options)
    {
        Columns(options);
        Generation(options);
        Format(options);
    }

    private static void Format(AsftFineTuneOptions options)
    {
    }

    /// <summary>An option that is wrong.</summary>
    public static ArgumentException Wrong(string option, string message) => new(message, option);

    /// <summary>An option that is out of its range.</summary>
    public static ArgumentOutOfRangeException OutOfRange(string option, object? value, string message) => new(option, value, message);

    private static void Columns(AsftFineTuneOptions options)
    {
        Name(options.PromptColumnName, nameof(options.PromptColumnName));
        Name(options.ResponseColumnName, nameof(options.ResponseColumnName));
        Name(options.OutputColumnName, nameof(options.OutputColumnName));
        if (options.SystemColumnName is not null) Name(options.SystemColumnName, nameof(options.SystemColumnName));
        if (options.ContextColumnName is not null) Name(options.ContextColumnName, nameof(options.ContextColumnName));
    }

    private static void Answers(AsftFineTuneOptions options)
    {
        if (options.PromptColumnName == options.ResponseColumnName) throw InPrompt(nameof(options.PromptColumnName), "");
        if (options.ContextColumnName == options.ResponseColumnName) throw InPrompt(nameof(options.ContextColumnName), "; set it to null where the prompts have none");
        if (options.SystemColumnName == options.ResponseColumnName) throw InPrompt(nameof(options.SystemColumnName), "; set it to null where the prompts have none");

        ArgumentException InPrompt(string option, string cure) =>
            Wrong(nameof(options.ResponseColumnName), $"{option} and ResponseColumnName are both '{options.ResponseColumnName}': the answer to learn would stand in the prompt{cure}.");
    }

    private static void Models(AsftFineTuneOptions options)
    {
        if (string.IsNullOrEmpty(options.AlignedModelPath))
            throw Wrong(nameof(options.AlignedModelPath), "AlignedModelPath is not set; it names the folder of the model that is fine-tuned.");
        Folder(options.AlignedModelPath, nameof(options.AlignedModelPath));
        if (options.DirectionPath is not null && !File.Exists(options.DirectionPath))
            throw Wrong(nameof(options.DirectionPath), $"DirectionPath is '{options.DirectionPath}'; there is no such file.");
        if (options.BaseModelPath is not null) Folder(options.BaseModelPath, nameof(options.BaseModelPath));
        if (options.AdapterPath is not null) Folder(options.AdapterPath, nameof(options.AdapterPath));
        var needsDirection = options.Lambda != 0 && options.Projection != AlignmentProjection.None;
        if (needsDirection && options.BaseModelPath is null && options.DirectionPath is null)
            throw Wrong(nameof(options.BaseModelPath), $"BaseModelPath and DirectionPath are both null; the penalty (Lambda {options.Lambda}, Projection {options.Projection}) needs one of them. Without the penalty set Lambda to 0.");
    }

    private static void Refusals(AsftFineTuneOptions options)
    {
        if ((options.RefusalTolerance is null) != (options.HeldOutRefusalsPath is null))
            throw Wrong(nameof(options.HeldOutRefusalsPath), options.RefusalTolerance is null
                ? "HeldOutRefusalsPath is set but RefusalTolerance is not; refusals are looked at only to find λ within a tolerance."
                : "RefusalTolerance is set but HeldOutRefusalsPath is not; λ is found by looking at refusals, which that file holds.");
        if (options.HeldOutRefusalsPath is { } path && !File.Exists(path))
            throw Wrong(nameof(options.HeldOutRefusalsPath), $"HeldOutRefusalsPath is '{path}'; there is no such file.");
        if (options.RefusalTolerance is not null && options.Lambda == 0)
            throw OutOfRange(nameof(options.Lambda), options.Lambda, "Lambda must be positive where RefusalTolerance lets it change.");
    }

    private static void Generation(AsftFineTuneOptions options)
    {
        if (!Enum.IsDefined(options.WeightFormat)) throw OutOfRange(nameof(options.WeightFormat), options.WeightFormat, $"WeightFormat must be one of {string.Join(", ", Enum.GetNames<WeightFormat>())}.");
        Texts(options.StopStrings, nameof(options.StopStrings));
        // By its name here; the engine calls it BatchSize.
        OptionRange.Count.Check(options.GenerationBatchSize, nameof(options.GenerationBatchSize));
        options.Generation.Validate();
    }

    /// <summary>Makes sure that a folder is there.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static void Folder(string path, string option)
    {
        if (!Directory.Exists(path)) throw Wrong(option, $"{option} is '{path}'; there is no such folder.{HubName.Advice(path)}");
    }

    private static void Name(string? value, string option)
    {
        if (string.IsNullOrEmpty(value)) throw new ArgumentException($"{option} is empty; a column name is wanted.", option);
    }

    private static void Texts(IReadOnlyList<string>? values, string option)
    {
        if (values is null) throw new ArgumentNullException(option);
        if (values.Any(string.IsNullOrEmpty)) throw new ArgumentException($"{option} holds an empty text.", option);
    }
}
