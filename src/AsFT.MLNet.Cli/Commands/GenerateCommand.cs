using System.CommandLine;
using AsFT.MLNet.Cli.Options;
using AsFT.Torch.Tokenization;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft generate</c>: answers of a saved pipeline, or of a model folder with or without an adapter.</summary>
internal sealed class GenerateCommand : ToolCommand
{
    private readonly ModelArguments _model = new(isRequired: true);
    private readonly InstructionFileArguments _fields = new();
    private readonly Option<string[]> _prompt = new("--prompt") { Description = "What to ask; may be given several times. Without it and --data, one prompt per line is read from stdin" };
    private readonly Option<string?> _data = new("--data") { HelpName = "FILE", Description = "Instruction file whose instructions are asked" };
    private readonly Option<string?> _system = new("--system") { Description = "System message" };

    public GenerateCommand() : base("generate", "Answer prompts with a fine-tuned pipeline, or with a model folder and an adapter")
    {
        foreach (var option in new Option[] { _prompt, _data, _system }) Options.Add(option);
        _model.AddTo(this);
        _fields.AddTo(this);
    }

    public override IReadOnlyDictionary<string, string> OptionNames => ModelArguments.OptionNames;

    protected override int Run(ToolRun run)
    {
        _model.Validate(run);
        var prompts = ReadPrompts(run);
        using var model = _model.Open(run);
        var answers = model.Answer(prompts);
        for (var i = 0; i < prompts.Count; i++)
        {
            if (prompts.Count > 1) run.Say($"{(i > 0 ? Environment.NewLine : "")}> {prompts[i].Prompt}");
            run.Say(answers[i]);
        }
        run.SayJson(prompts.Zip(answers, (prompt, answer) => new { prompt.Prompt, prompt.Context, answer }));
        return ExitCode.Success;
    }

    private List<ChatExample> ReadPrompts(ToolRun run)
    {
        var system = run.Get(_system);
        var prompts = (run.Get(_prompt) ?? []).Select(text => new ChatExample(text, System: system)).ToList();
        if (run.Get(_data) is { } file)
        {
            var ml = Pipelines.NewContext(run, 0);
            prompts.AddRange(Pipelines.ReadInstructions(ml, _fields.Load(run, ml, file, isForPrompts: true)).Select(row => row.ToExample(system)));
        }
        // A terminal would wait for lines without a word.
        if (prompts.Count == 0 && run.Get(_data) is null && run.Console.IsInputRedirected)
            for (var line = run.Console.Input.ReadLine(); line is not null; line = run.Console.Input.ReadLine())
                if (line.Length > 0) prompts.Add(new ChatExample(line, System: system));
        return prompts.Count > 0 ? prompts : throw new ArgumentException("There is no prompt: give --prompt, --data, or pipe lines to stdin.");
    }
}
