namespace AsFT.MLNet.Benchmarks.Harness.Children;

/// <summary>What is measured in a process of its own.</summary>
public static class ChildTasks
{
    /// <summary>Runs a task.</summary>
    /// <param name="arguments">Name of the task and its arguments.</param>
    /// <returns>Its figures, as one JSON document.</returns>
    /// <exception cref="ArgumentException">There is no such task.</exception>
    public static string Run(IReadOnlyList<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        throw new ArgumentException($"There is no task '{string.Join(' ', arguments)}'.", nameof(arguments));
    }
}
