namespace AsFT.MLNet.Cli.Tests;

/// <summary>The bundled safety world beside the tool.</summary>
internal static class World
{
    public static string Aligned => Path.Combine(AppContext.BaseDirectory, "Quickstart", "world", "aligned");

    public static string Data(string name) => Path.Combine(AppContext.BaseDirectory, "Quickstart", "world", "data", name);

    /// <summary>The first lines of a data file, as a file of their own.</summary>
    public static string Few(TemporaryFolder folder, string name, int count) =>
        folder.Write(name, string.Join('\n', File.ReadLines(Data(name)).Take(count)));
}
