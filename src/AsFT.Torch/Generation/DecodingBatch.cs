using AsFT.Torch.Generation.Cpu;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace AsFT.Torch.Generation;

/// <summary>
/// What one batch of answers keeps on the device between tokens. Prompts are padded on the right and read with plain
/// causal attention; every row then writes its new tokens to the same cache slots, behind the widest prompt, and a mask
/// made once hides the gap between a shorter prompt and them. Positions are the row's own, so the gap does not show.
/// </summary>
internal sealed class DecodingBatch : IDisposable
{
    private readonly CausalLanguageModel _model;
    private readonly GenerationOptions _options;
    private readonly KeyValueCache _cache;
    private readonly long _longest;
    private readonly int _steps;
    private readonly int _stepsPerRead;
    private CpuDecoder? _decoder;
    private bool _hasLookedForDecoder;
    private int _step;
    private int _unread;
    private long[] _ids = [];
    private Tensor? _chosen;
    private Tensor _next;
    private Tensor? _positions;
    private Tensor? _mask;
    private Tensor? _keyPositions;
    private Tensor? _seen;
    private Tensor? _uniform;

    /// <param name="model">The model.</param>
    /// <param name="answers">Rows of the batch.</param>
    /// <param name="options">How to decode.</param>
    /// <param name="stepsPerRead">Steps between two looks at the tokens by the host, which has to wait for the device at each.</param>
    public DecodingBatch(CausalLanguageModel model, PendingAnswer[] answers, GenerationOptions options, int stepsPerRead)
    {
        (_model, _options, _stepsPerRead, Answers) = (model, options, stepsPerRead, answers);
        using var scope = NewDisposeScope();
        var device = model.Placement.Device;
        _longest = answers.Max(a => a.Prompt.Length);
        _steps = (int)Math.Min(answers.Max(a => a.Limit), Math.Min(model.Decoder.Kinds.SameUpTo(_longest), model.Config.MaxPositions) - _longest + 1);
        var (rows, steps) = (answers.Length, _steps);
        // The last token of an answer is never fed back.
        _cache = new KeyValueCache(model.Config, model.Placement, rows, _longest + steps - 1);

        // Padding repeats the row's last token, which adds nothing to the set of tokens it has seen.
        var ids = answers.SelectMany(a => Enumerable.Range(0, (int)_longest).Select(t => (long)a.Prompt[Math.Min(t, a.Prompt.Length - 1)]));
        _next = tensor(ids.ToArray(), [rows, _longest], device: device).DetachFromDisposeScope();
        if (answers.Any(a => a.Prompt.Length < _longest))
        {
            var lengths = tensor(answers.Select(a => (long)a.Prompt.Length).ToArray(), [rows, 1], device: device);
            using Scalar capacity = _cache.Capacity, longest = _longest;
            var slot = arange(Scalars.Zero, capacity, Scalars.One, ScalarType.Int64, device);
            var gap = slot.ge(lengths).logical_and(slot.lt(longest)).view(rows, 1, 1, -1);
            _mask = zeros(gap.shape, model.Placement.DType, device).masked_fill_(gap, Scalars.NegativeInfinity).DetachFromDisposeScope();
            // Behind the gap a row's tokens count on from its prompt.
            _keyPositions = slot.ge(longest).to(ScalarType.Int64).mul(lengths - longest).add(slot, Scalars.One).DetachFromDisposeScope();
            _positions = lengths.DetachFromDisposeScope();
        }
        if (options.RepetitionPenalty != 1)
            _seen = zeros(rows, model.Config.VocabularySize, ScalarType.Bool, device)
                .scatter_(1, _next, ones(_next.shape, ScalarType.Bool, device)).DetachFromDisposeScope();
        if (options.Temperature > 0)
        {
            var draws = answers.SelectMany(a => Enumerable.Range(0, steps).Select(t => UniformDraws.At(a.Stream, a.Answered + t)));
            _uniform = tensor(draws.ToArray(), [rows, steps], device: device).DetachFromDisposeScope();
        }
    }

    /// <summary>The answers being written, one a row.</summary>
    public PendingAnswer[] Answers { get; private set; }

    /// <summary>Whether the host should <see cref="Read"/> now: the longest answer is complete, or enough tokens wait.</summary>
    public bool IsReadDue => _unread >= _stepsPerRead || IsOver;

    /// <summary>Whether no row can go on here: all are complete, or have outgrown the rotary positions that their prompts were read with.</summary>
    public bool IsOver => _step >= _steps;

    /// <summary>Reads what each row has not read yet, the prompt or its newest token, and chooses the next token.</summary>
    public void Step()
    {
        if (FindDecoder() is not { } decoder)
        {
            Choose(Forward());
            return;
        }
        var (first, last) = (_step - 1, _model.Config.MaxPositions - 1);
        decoder.Step(_ids, [.. Answers.Select(a => a.Prompt.Length)], [.. Answers.Select(a => Math.Min(a.Prompt.Length + first, last))], (int)_longest);
        if (_uniform is null && _seen is null)
        {
            _ids = decoder.Likeliest();
            _step++;
            _unread++;
        }
        else
        {
            Choose(decoder.Logits());
        }
    }

    /// <summary>The tokens chosen since the last call, step by step, each with one token a row: the one place where the host waits for the device.</summary>
    public IReadOnlyList<long[]> Read()
    {
        var count = _unread;
        _unread = 0;
        if (_chosen is null) return [_ids];
        using var scope = NewDisposeScope();
        var tokens = _chosen.narrow(0, 0, count).cpu().data<long>().ToArray();
        return [.. tokens.Chunk(Answers.Length)];
    }

    private Tensor Forward()
    {
        var isPrompt = _step == 0;
        var hidden = _model.Hidden(_next, isPrompt ? SequenceLayout.RightPadded : StepLayout(), _cache);
        var last = isPrompt && _positions is not null
            ? hidden.gather(1, _positions.sub(Scalars.One).unsqueeze(2).expand(-1, 1, hidden.shape[2]))
            : hidden.narrow(1, hidden.shape[1] - 1, 1);
        var logits = _model.Logits(last).squeeze(1);
        return logits.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? logits.to(ScalarType.Float32) : logits;
    }

    // Keeps each row's next token for the next step and for the host.
    private void Choose(Tensor logits)
    {
        var scores = logits;
        if (_seen is not null) logits = TokenChooser.PenalizeRepetition(logits, _seen, _options.RepetitionPenalty);
        var next = _uniform is null
            ? TokenChooser.Greedy(logits)
            : TokenChooser.Sample(logits, _options, _uniform.narrow(1, _step, 1));
        _seen?.scatter_(1, next, ones(next.shape, ScalarType.Bool, next.device));
        if (_step > 0) _positions?.add_(Scalars.One, Scalars.One);
        _step++;
        // What is read next stays a token: the host learns only later that the row has come to nothing.
        var marked = TokenChooser.Marked(scores, next);
        Replace(ref _next, next);
        if (_stepsPerRead == 1)
        {
            _ids = marked.data<long>().ToArray();
        }
        else
        {
            _chosen ??= empty([_stepsPerRead, Answers.Length], ScalarType.Int64, next.device).DetachFromDisposeScope();
            _chosen.narrow(0, _unread, 1).copy_(marked.view(1, -1));
        }
        _unread++;
    }

    // Made when the first token after the prompt is to be read: an answer of one token needs none.
    private CpuDecoder? FindDecoder()
    {
        if (_step == 0 || _hasLookedForDecoder) return _decoder;
        _hasLookedForDecoder = true;
        return _decoder = _stepsPerRead == 1 && CpuDecoder.Handles(_model, _cache.Capacity) ? new CpuDecoder(_model, _cache) : null;
    }

    /// <summary>Drops the rows whose answers are finished.</summary>
    public void DropFinished()
    {
        var rows = Enumerable.Range(0, Answers.Length).Where(row => !Answers[row].IsFinished).Select(row => (long)row).ToArray();
        Answers = [.. rows.Select(row => Answers[row])];
        var index = tensor(rows, device: _next.device);
        _cache.SelectRows(index);
        if (_ids.Length > 0) _ids = [.. rows.Select(row => _ids[row])];
        _chosen?.Dispose();
        _chosen = null;
        Replace(ref _next, _next.index_select(0, index));
        if (_positions is not null) Replace(ref _positions, _positions.index_select(0, index));
        if (_mask is not null) Replace(ref _mask, _mask.index_select(0, index));
        if (_keyPositions is not null) Replace(ref _keyPositions, _keyPositions.index_select(0, index));
        if (_seen is not null) Replace(ref _seen, _seen.index_select(0, index));
        if (_uniform is not null) Replace(ref _uniform, _uniform.index_select(0, index));
    }

    public void Dispose()
    {
        _decoder?.Dispose();
        _cache.Dispose();
        _chosen?.Dispose();
        _next.Dispose();
        _positions?.Dispose();
        _mask?.Dispose();
        _keyPositions?.Dispose();
        _seen?.Dispose();
        _uniform?.Dispose();
    }

    private SequenceLayout StepLayout()
    {
        if (_positions is null) return SequenceLayout.RightPadded;
        // A finished row may run on past the last position while it waits to be dropped.
        long count = Math.Min(_longest + _step, _model.Config.MaxPositions);
        using Scalar last = count - 1;
        var seen = _cache.Length + 1;
        return SequenceLayout.Step(_positions.clamp_max_(last), count, _mask!.narrow(3, 0, seen), _keyPositions!.narrow(1, 0, seen));
    }

    private static void Replace(ref Tensor field, Tensor value)
    {
        field.Dispose();
        field = value.DetachFromDisposeScope();
    }
}
