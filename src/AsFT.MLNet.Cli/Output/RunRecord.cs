using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AsFT.Torch.Runtime;

namespace AsFT.MLNet.Cli.Output;

/// <summary>Which run an output folder belongs to; kept in the folder. It names no path of the machine: arguments are a hash.</summary>
/// <param name="Command">The words that call the command.</param>
/// <param name="Arguments">SHA-256 of what decides the output: options as typed, paths in full.</param>
/// <param name="Process">The process that writes; null once it is done.</param>
/// <param name="Started">When it began.</param>
/// <param name="Finished">When the output was complete; null: it is not.</param>
internal sealed record RunRecord(string Command, string Arguments, int? Process, DateTimeOffset Started, DateTimeOffset? Finished)
{
    /// <summary>Name of the file.</summary>
    public const string FileName = ".asft-run.json";

    // They decide how a run goes on or what it prints, not what it makes.
    private static readonly string[] Indifferent = ["--force", "--resume", "--json", "--verbose"];

    /// <summary>The record of the run that begins now.</summary>
    public static RunRecord Of(ParseResult parse) =>
        new(Failure.FullName(parse.CommandResult.Command), Hash(parse), Environment.ProcessId, DateTimeOffset.Now, null);

    /// <summary>The record of a folder; null where there is none, or none that can be read.</summary>
    public static RunRecord? Read(string folder)
    {
        try
        {
            return JsonSerializer.Deserialize<RunRecord>(File.ReadAllText(Path.Combine(folder, FileName)), JsonSerializerOptions.Web);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    public void Write(string folder) => AtomicOutput.WriteFile(Path.Combine(folder, FileName), path => File.WriteAllText(path, JsonSerializer.Serialize(this, JsonSerializerOptions.Web)));

    public static void Delete(string folder) => File.Delete(Path.Combine(folder, FileName));

    /// <summary>The run, for people.</summary>
    public override string ToString() => $"{Command}{(Process is { } id ? $", process {id}" : "")}, {(Finished is null ? "since" : "finished")} {Shown(Finished ?? Started)}";

    public static string Shown(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Hash(ParseResult parse)
    {
        var lines = parse.CommandResult.Children.OfType<OptionResult>()
            .Where(option => !option.Implicit && !Indifferent.Contains(option.Option.Name))
            .Select(option => $"{option.Option.Name}\0{string.Join('\0', option.Tokens.Select(token => ToolCommand.TakesPath(option.Option) ? FullPath(token.Value) : token.Value))}")
            .Order(StringComparer.Ordinal);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))));
    }

    private static string FullPath(string value) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(value));
}
