using System.Globalization;
using System.Text.Json;
using AsFT.Torch.Models;

namespace AsFT.MLNet.Benchmarks.Harness.Children;

/// <summary>What is measured in a process of its own, where peak memory is the task's alone.</summary>
public static class ChildTasks
{
    internal const string Direction = "direction", Loading = "loading", Training = "training";

    /// <summary>Runs a task.</summary>
    /// <param name="arguments">Name of the task and its arguments.</param>
    /// <returns>Its figures, as one JSON document.</returns>
    /// <exception cref="ArgumentException">There is no such task.</exception>
    public static string Run(IReadOnlyList<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        return arguments switch
        {
            [Direction, var aligned, var baseline] => JsonSerializer.Serialize(DirectionTask.Run(aligned, baseline)),
            [Loading, var folder, var device, var dtype] => JsonSerializer.Serialize(LoadingTask.Run(folder, device, dtype)),
            [Training, var aligned, var baseline, var batch, var sequence, var checkpointing, var device, var dtype] =>
                JsonSerializer.Serialize(TrainingTask.Run(aligned, baseline, Number(batch), Number(sequence), bool.Parse(checkpointing), device, dtype, WeightFormat.Dense)),
            [Training, var aligned, var baseline, var batch, var sequence, var checkpointing, var device, var dtype, var format] =>
                JsonSerializer.Serialize(TrainingTask.Run(aligned, baseline, Number(batch), Number(sequence), bool.Parse(checkpointing), device, dtype, Enum.Parse<WeightFormat>(format))),
            _ => throw new ArgumentException($"There is no task '{string.Join(' ', arguments)}'.", nameof(arguments)),
        };
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Reads what a task printed.</summary>
    internal static T Read<T>(string output) => JsonSerializer.Deserialize<T>(output) ?? throw new InvalidOperationException("The process printed nothing.");
}
