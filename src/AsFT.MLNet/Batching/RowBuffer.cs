using Microsoft.ML;
using Microsoft.ML.Data;

namespace AsFT.MLNet.Batching;

/// <summary>The values of one column in the rows read ahead.</summary>
internal abstract class RowBuffer
{
    /// <summary>Keeps the upstream row's value.</summary>
    public abstract void Fetch(int slot);

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the value in the slot that is current when it is called.</summary>
    public abstract Delegate Getter(Func<int> slot);

    /// <summary>A buffer for a column of whatever type.</summary>
    public static RowBuffer Create(DataViewRow row, DataViewSchema.Column column)
    {
        var type = column.Type.RawType;
        var buffer = type.IsGenericType && type.GetGenericTypeDefinition() == typeof(VBuffer<>)
            ? typeof(VectorBuffer<>).MakeGenericType(type.GenericTypeArguments[0])
            : typeof(ValueBuffer<>).MakeGenericType(type);
        return (RowBuffer)Activator.CreateInstance(buffer, row, column)!;
    }

    // By what is read, not by a batch's size: that is an option, and may be any number.
    private static void Reserve<T>(ref T[] values, int slot)
    {
        if (slot >= values.Length) Array.Resize(ref values, Math.Max(4, 2 * values.Length));
    }

    private sealed class ValueBuffer<T>(DataViewRow row, DataViewSchema.Column column) : RowBuffer
    {
        private readonly ValueGetter<T> _upstream = row.GetGetter<T>(column);
        private T[] _values = [];

        public override void Fetch(int slot)
        {
            // A fresh value each time: an object handed out (an image, say) is the reader's and must not be filled again.
            Reserve(ref _values, slot);
            _values[slot] = default!;
            _upstream(ref _values[slot]);
        }

        public override Delegate Getter(Func<int> slot) => (ValueGetter<T>)((ref T value) => value = _values[slot()]);
    }

    private sealed class VectorBuffer<T>(DataViewRow row, DataViewSchema.Column column) : RowBuffer
    {
        private readonly ValueGetter<VBuffer<T>> _upstream = row.GetGetter<VBuffer<T>>(column);
        private VBuffer<T>[] _values = [];

        public override void Fetch(int slot)
        {
            Reserve(ref _values, slot);
            _upstream(ref _values[slot]);
        }

        // Copied, for the reader may write into the vector it was given.
        public override Delegate Getter(Func<int> slot) => (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) => _values[slot()].CopyTo(ref value));
    }
}
