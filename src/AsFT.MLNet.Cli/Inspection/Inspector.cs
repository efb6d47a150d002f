using AsFT.Torch.Checkpoints;
using AsFT.Torch.Input;

namespace AsFT.MLNet.Cli.Inspection;

/// <summary>Says what lies at a path and what is wrong with it.</summary>
internal static class Inspector
{
    /// <summary>The kind of a file that holds an alignment direction.</summary>
    public const string Direction = "alignment direction";

    /// <exception cref="FileNotFoundException">There is nothing at the path.</exception>
    /// <exception cref="InvalidDataException">What lies there is of no known kind.</exception>
    public static InspectionReport Inspect(string path)
    {
        if (Directory.Exists(path))
        {
            if (File.Exists(Path.Combine(path, "adapter_config.json"))) return AdapterFolder.Inspect(path);
            if (File.Exists(Path.Combine(path, "config.json")) || Directory.EnumerateFiles(path, "*.safetensors*").Any()) return ModelFolder.Inspect(path);
            throw new InvalidDataException($"'{path}' is neither a model folder (config.json, *.safetensors) nor an adapter folder (adapter_config.json).");
        }
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file or folder '{path}'.{HubName.Advice(path)}", path);
        if (StartsWith(path, "PK"u8)) return PipelineFile.Inspect(path);
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) return TensorFile.Inspect(path);
        if (Pickle.Any(extension => path.EndsWith(extension, StringComparison.OrdinalIgnoreCase)))
            throw new InvalidDataException($"'{path}' looks like a pickled checkpoint, which can run code when it is read; it is never opened. Convert it to safetensors where you trust it.");
        throw new InvalidDataException($"'{path}' is neither a safetensors file nor an ML.NET model (.zip).");
    }

    /// <summary>Adds a fact, or the failure to find it out as a problem.</summary>
    public static T? Try<T>(InspectionReport report, Func<T> read) where T : class
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is InvalidDataException or IOException or ArgumentException or NotSupportedException or UnauthorizedAccessException or InvalidOperationException or FormatException)
        {
            report.Problems.Add(e.Message.ReplaceLineEndings(" "));
            return null;
        }
    }

    /// <summary>Bytes of files, of links what they lead to. A link to nothing is told by whoever reads it.</summary>
    public static long BytesOf(IEnumerable<string> files) => files.Where(InputFile.Exists).Sum(InputFile.Length);

    /// <summary>Groups tensors that differ in the layer's number alone.</summary>
    public static IReadOnlyList<TensorGroup> Group(IEnumerable<SafetensorsEntry> entries) =>
    [
        .. entries
            .GroupBy(entry => (Name: WithoutNumbers(entry.Name), entry.DType, Shape: string.Join(',', entry.Shape)))
            .Select(group => new TensorGroup(group.Count() == 1 ? group.First().Name : group.Key.Name, group.Key.DType.ToString(), group.First().Shape, group.Count()))
            .OrderBy(group => group.Name, StringComparer.Ordinal),
    ];

    private static readonly string[] Pickle = [".bin", ".pt", ".pth", ".ckpt", ".pkl"];

    private static string WithoutNumbers(string name) =>
        string.Join('.', name.Split('.').Select(part => part.Length > 0 && part.All(char.IsAsciiDigit) ? "*" : part));

    private static bool StartsWith(string path, ReadOnlySpan<byte> magic)
    {
        using var stream = InputFile.Open(path);
        Span<byte> start = stackalloc byte[magic.Length];
        return stream.ReadAtLeast(start, magic.Length, throwOnEndOfStream: false) == magic.Length && start.SequenceEqual(magic);
    }
}
