using System.Reflection;
using System.Text.Json;
using AsFT.MLNet.Cli.Output;

namespace AsFT.MLNet.Cli.Tests;

/// <summary>Runs the tool inside this process and captures what it prints.</summary>
internal static class Tool
{
    internal sealed record Result(int ExitCode, string Output, string Error)
    {
        /// <summary>The one JSON document on stdout; fails when there is more or less.</summary>
        public JsonElement Json
        {
            get
            {
                using var document = JsonDocument.Parse(Output);
                return document.RootElement.Clone();
            }
        }
    }

    /// <summary>Models, goldens and tokenizers that lie in the repository.</summary>
    public static string Data(params string[] path) => Path.Combine(
        [typeof(Tool).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "TestData").Value!, .. path]);

    public static string BaseModel => Data("models", "stories260K");

    public static string AlignedModel => Data("models", "stories260K-aligned");

    public static Task<Result> Run(params string[] args) => Run("", CancellationToken.None, args);

    public static async Task<Result> Run(string input, CancellationToken cancellationToken, params string[] args)
    {
        using var output = new StringWriter();
        return await Run(output, input, cancellationToken, args);
    }

    public static async Task<Result> Run(StringWriter output, string input, CancellationToken cancellationToken, params string[] args)
    {
        using var error = new StringWriter();
        var code = await AsftTool.RunAsync(args, new ToolConsole(output, error, new StringReader(input)), cancellationToken);
        return new Result(code, output.ToString(), error.ToString());
    }

    /// <summary>A failed run: its exit code, after the signs of life one line on stderr that holds the given words, and nothing of a stack trace.</summary>
    public static void AssertFailed(Result result, int exitCode, params string[] words)
    {
        Assert.True(exitCode == result.ExitCode, $"exit code {result.ExitCode}, stderr: {result.Error}");
        var lines = result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var failure = Assert.Single(lines, line => line.StartsWith("asft", StringComparison.Ordinal));
        Assert.Equal(lines[^1], failure);
        Assert.DoesNotContain("   at ", result.Error);
        foreach (var word in words) Assert.Contains(word, failure);
    }
}
