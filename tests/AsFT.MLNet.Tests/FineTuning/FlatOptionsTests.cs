using System.Globalization;
using System.Reflection;
using System.Text.Json;
using AsFT.MLNet.Persistence;
using AsFT.Torch.Safety.Judges;

namespace AsFT.MLNet.Tests.FineTuning;

public sealed class FlatOptionsTests
{
    // What the flat class calls by another name than the engine.
    private static readonly Dictionary<string, string> Renamed = new() { ["PenaltyWeight"] = "Lambda", ["Generation.BatchSize"] = "GenerationBatchSize" };

    [Fact]
    public void Every_option_of_the_engine_is_one_of_the_flat_class_and_reaches_the_engine()
    {
        foreach (var held in new[] { nameof(AsftFineTuneOptions.Adapter), nameof(AsftFineTuneOptions.Penalty), nameof(AsftFineTuneOptions.Training), nameof(AsftFineTuneOptions.Generation) })
        {
            var record = typeof(AsftFineTuneOptions).GetProperty(held, BindingFlags.Instance | BindingFlags.NonPublic)!;
            foreach (var option in record.PropertyType.GetProperties().Where(IsSettable))
            {
                var name = Renamed.GetValueOrDefault($"{held}.{option.Name}") ?? Renamed.GetValueOrDefault(option.Name) ?? option.Name;
                var flat = typeof(AsftFineTuneOptions).GetProperty(name);
                Assert.True(flat is not null, $"{held}.{option.Name} is no option of AsftFineTuneOptions.");
                var options = new AsftFineTuneOptions();
                var value = Sample(flat, options);
                flat.SetValue(options, value);
                Assert.Equal(value, option.GetValue(record.GetValue(options)));
            }
        }
    }

    [Fact]
    public void No_option_is_lost_on_the_way_into_a_zip_and_back()
    {
        var options = new AsftFineTuneOptions();
        foreach (var property in Saved()) property.SetValue(options, Sample(property, options));
        var read = JsonSerializer.Deserialize<AsftFineTuneOptions>(JsonSerializer.Serialize(options, SavedFineTune.Json), SavedFineTune.Json)!;
        foreach (var property in Saved()) Assert.Equal(property.GetValue(options), property.GetValue(read));
    }

    [Fact]
    public void What_a_list_was_made_of_may_change_afterwards()
    {
        var targets = new List<string> { "q_proj" };
        var options = new AsftFineTuneOptions { TargetModules = targets };
        targets[0] = "nothing";
        Assert.Equal(["q_proj"], options.TargetModules);
        var copy = options.Copy();
        options.Rank = 3;
        Assert.Equal(8, copy.Rank);
    }

    [Fact]
    public void A_judge_s_options_are_those_of_its_training_and_of_the_judge_it_makes()
    {
        var defaults = new JudgeTrainingOptions();
        var options = new TrainHarmfulnessJudgeOptions { Epochs = 7, Rank = 5, MaxLength = 99, Beta2 = 0.9 };
        Assert.Equal((defaults.Training.LearningRate, defaults.Training.Schedule, defaults.Lora!.Alpha), (options.LearningRate, options.Schedule, options.Alpha));
        var settings = options.Settings([]);
        Assert.Equal((7, 5, 99, 0.9, 42), (settings.Training.Epochs, settings.Lora!.Rank, settings.MaxLength, settings.Training.Beta2, settings.Training.Seed));
        Assert.Equal((0.25, new ModerationJudgeOptions().MaxLength), (new ModerationModelOptions { Threshold = 0.25 }.Settings.Threshold, new ModerationModelOptions().MaxLength));
        Assert.Equal((2, BeaverTailsCategories.All), (new ChatModelOptions { MaxAttempts = 2 }.Settings.MaxAttempts, new ChatModelOptions().Categories));
    }

    private static bool IsSettable(PropertyInfo property) => property.SetMethod is { IsPublic: true };

    private static IEnumerable<PropertyInfo> Saved() => typeof(AsftFineTuneOptions).GetProperties()
        .Where(property => IsSettable(property) && property.Name is not (nameof(AsftFineTuneOptions.Progress) or nameof(AsftFineTuneOptions.CancellationToken)));

    private static object Sample(PropertyInfo property, AsftFineTuneOptions options)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var current = property.GetValue(options);
        if (type.IsEnum) return Enum.GetValues(type).Cast<object>().Last(value => !value.Equals(current));
        if (type == typeof(bool)) return current is not true;
        if (type == typeof(string)) return "x";
        if (type == typeof(IReadOnlyList<string>)) return new[] { "a", "b" };
        return Convert.ChangeType(77, type, CultureInfo.InvariantCulture);
    }
}
