using System.CommandLine;
using Microsoft.ML;

namespace AsFT.MLNet.Cli.Options;

/// <summary>The fields of an instruction file, where they are not the published ones.</summary>
internal sealed class InstructionFileArguments
{
    private static readonly InstructionFileOptions Defaults = new();

    private readonly Option<string> _prompt = New("--prompt-field", "what the user asks", Defaults.PromptField);
    private readonly Option<string> _context = New("--context-field", "further input", Defaults.ContextField);
    private readonly Option<string> _response = New("--response-field", "the answer", Defaults.ResponseField);
    private readonly Option<string?> _system = new("--system-field") { Description = "Field of the data with a system message; left out: none" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _prompt, _context, _response, _system }) command.Options.Add(option);
    }

    /// <param name="run">The invocation.</param>
    /// <param name="ml">The context.</param>
    /// <param name="path">The file.</param>
    /// <param name="isForPrompts">The rows are questions; they may lack an answer.</param>
    public IDataView Load(ToolRun run, MLContext ml, string path, bool isForPrompts = false) => ml.Data.LoadFromInstructionFile(path, new InstructionFileOptions
    {
        PromptField = run.Get(_prompt),
        ContextField = run.Get(_context),
        ResponseField = run.Get(_response),
        SystemField = run.Get(_system),
        ResponseIsOptional = isForPrompts,
    });

    private static Option<string> New(string name, string meaning, string? value) => new(name) { Description = $"Field of the data with {meaning}", DefaultValueFactory = _ => value! };
}
