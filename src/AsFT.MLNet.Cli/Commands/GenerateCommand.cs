using System.CommandLine;
using AsFT.MLNet.Cli.Answering;
using AsFT.MLNet.Cli.Evaluation;
using AsFT.MLNet.Cli.Options;
using AsFT.MLNet.Cli.Output;
using AsFT.Torch.Chat;
using AsFT.Torch.Generation;

namespace AsFT.MLNet.Cli.Commands;

/// <summary><c>asft generate</c>: answers of a saved pipeline, or of a model folder with or without an adapter.</summary>
internal sealed class GenerateCommand : ToolCommand
{
    private readonly ModelArguments _model = new(isRequired: true);
    private readonly InstructionFileArguments _fields = new();
    private readonly Option<string[]> _prompt = new("--prompt") { Description = "What to ask; may be given several times. Without it and --data, one prompt per line is read from stdin" };
    private readonly Option<string?> _data = new("--data") { HelpName = "FILE", Description = "Instruction file whose instructions are asked" };
    private readonly Option<string?> _system = new("--system") { Description = "System message" };

    private readonly Option<string?> _out = new("--out") { HelpName = "FILE", Description = "Write the answers to a file of JSON lines (.jsonl) as they come, for asft eval --answers, instead of printing them" };
    private readonly ForceOption _force = new("a file that holds no answers");

    public GenerateCommand() : base("generate", "Answer prompts with a fine-tuned pipeline, or with a model folder and an adapter")
    {
        foreach (var option in new Option[] { _prompt, _data, _system, _out, _force }) Options.Add(option);
        _model.AddTo(this);
        _fields.AddTo(this);
    }

    public override IReadOnlyDictionary<string, string> OptionNames => _model.Words;

    protected override int Run(ToolRun run)
    {
        _model.Validate(run);
        var prompts = ReadPrompts(run);
        var file = run.Get(_out);
        CheckTarget(run, file);
        using var folder = file is null ? null : new OutputFolder(Path.GetDirectoryName(Path.GetFullPath(file))!);
        using var alone = file is null ? null : OutputLock.TryTakeFile(file) ?? throw new IOException($"'{file}' is being written to by another run. Wait for its end, or give another --out.");
        using var model = _model.Open(run);
        // Beside JSON, which is one document at the end, and beside a file there is nothing else to see.
        using var stream = run.IsJson && file is null ? null : new AnswerStream(run, prompts, file);
        var answers = Answer(run, prompts, model, stream);
        folder?.Keep();
        if (model.CutAnswers is > 0 and var cut)
            Pipelines.Warning(run)($"{cut} of {answers.Count} answer{(answers.Count == 1 ? "" : "s")} had not ended at the most new tokens there may be, and {(cut == 1 ? "is" : "are")} cut; {_model.Words[nameof(GenerationOptions.MaxNewTokens)]} raises it.");
        if (file is not null) run.Say($"{answers.Count} answer{(answers.Count == 1 ? "" : "s")}: {Path.GetFullPath(file)}");
        run.SayJson(prompts.Zip(answers, (prompt, answer) => new { prompt.Prompt, prompt.Context, answer }));
        return ExitCode.Success;
    }

    private IReadOnlyList<string> Answer(ToolRun run, List<ChatExample> prompts, AnsweringModel model, AnswerStream? stream)
    {
        try
        {
            // Answers on the terminal are a sign of life themselves, and a bar would run into them.
            if (run.Get(_out) is null && run.Console is { IsTerminal: true, IsErrorTerminal: true } && !run.IsJson) return model.Answer(prompts, stream!.Add);
            var done = 0;
            return ProgressDisplay.Show(run, "Answering", display =>
            {
                display.Report(new WorkState(0, prompts.Count, "prompts"));
                return model.Answer(prompts, (i, answer) =>
                {
                    stream?.Add(i, answer);
                    display.Report(new WorkState(++done, prompts.Count, "prompts"));
                });
            });
        }
        catch (OperationCanceledException e) when (stream is not null)
        {
            throw stream.Stopped(e);
        }
    }

    private void CheckTarget(ToolRun run, string? file)
    {
        if (file is not null && !run.Get(_force) && File.Exists(file) && !AnswersFile.IsOne(file))
            throw new IOException($"'{file}' is there and holds no answers. Give another --out, or --force to write over it.");
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
