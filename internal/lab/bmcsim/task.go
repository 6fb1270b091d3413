package bmcsim

import (
	"net/http"
	"strconv"
	"time"
)

const (
	tasksPath    = "/redfish/v1/TaskService/Tasks"
	monitorsPath = "/redfish/v1/TaskService/TaskMonitors"
	// keptTasks is how many are remembered.
	keptTasks = 16
)

// task is a long operation. Its fields are guarded by BMC.mu.
type task struct {
	id, name   string
	state      string
	message    string
	start, end time.Time
	// payload is the request that began it, nil where the BMC does not keep it.
	payload doc
}

// startTask runs work beside the request, and answers 202.
func (b *BMC) startTask(name string, work func() *reply) reply {
	b.mu.Lock()
	t := b.newTask(name)
	fails := b.faults.set.TaskFailure
	body := b.taskDoc(t)
	b.mu.Unlock()
	b.server.work.Go(func() {
		state, message := "Completed", "The task completed."
		if fails {
			state, message = "Exception", "The remote image could not be connected (simulated fault)."
		} else if rep := work(); rep != nil {
			state, message = "Exception", messageOf(*rep)
		}
		b.mu.Lock()
		t.state, t.message, t.end = state, message, time.Now()
		b.mu.Unlock()
		b.taskEvent(t.id, state)
	})
	if b.who.TaskWithoutLocation {
		return reply{status: http.StatusAccepted}
	}
	return reply{status: http.StatusAccepted, body: body, header: map[string]string{"Location": monitorsPath + "/" + t.id}}
}

// newTask begins a task. It is called with mu held.
func (b *BMC) newTask(name string) *task {
	b.nextID++
	t := &task{id: strconv.Itoa(b.nextID), name: name, state: "Running", start: time.Now()}
	b.tasks = append(b.tasks, t)
	if len(b.tasks) > keptTasks {
		b.tasks = b.tasks[1:]
	}
	return t
}

// messageOf is the words of a refusal.
func messageOf(r reply) string {
	d, _ := r.body.(doc)
	e, _ := d["error"].(doc)
	infos, _ := e["@Message.ExtendedInfo"].([]doc)
	if len(infos) == 0 {
		return "The task failed."
	}
	m, _ := infos[0]["Message"].(string)
	return m
}

func (b *BMC) taskDoc(t *task) doc {
	more := doc{
		"TaskState": t.state, "TaskStatus": "OK", "StartTime": t.start.UTC().Format(time.RFC3339), "TaskMonitor": monitorsPath + "/" + t.id, "PercentComplete": 0, "Messages": []doc{},
	}
	if t.payload != nil {
		more["Payload"] = t.payload
	}
	if t.state != "Running" && t.state != "Pending" {
		more["PercentComplete"], more["EndTime"] = 100, t.end.UTC().Format(time.RFC3339)
		more["Messages"] = []doc{{"MessageId": "TaskEvent.1.0.3.TaskCompletedOK", "Message": t.message}}
	}
	if t.state == "Exception" {
		more["TaskStatus"] = "Critical"
	}
	return resource(tasksPath+"/"+t.id, "#Task.v1_7_4.Task", t.id, t.name, more)
}

func (b *BMC) taskService(c *call) reply {
	return ok(resource(c.path, "#TaskService.v1_2_1.TaskService", "TaskService", "Task Service", doc{
		"ServiceEnabled": true, "CompletedTaskOverWritePolicy": "Oldest", "Tasks": ref(tasksPath), "Status": healthy(),
	}))
}

func (b *BMC) listTasks(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, t := range b.tasks {
		ids = append(ids, t.id)
	}
	return ok(collection(c.path, "TaskCollection", "Task Collection", ids))
}

// taskByID is called with mu held.
func (b *BMC) taskByID(id string) *task {
	for _, t := range b.tasks {
		if t.id == id {
			return t
		}
	}
	return nil
}

func (b *BMC) readTask(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.taskByID(c.part)
	if t == nil {
		return notFound(c)
	}
	return ok(b.taskDoc(t))
}

// readMonitor answers 202 while the task runs, then what the action would have been answered (DSP0266 §12.2).
func (b *BMC) readMonitor(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.taskByID(c.part)
	switch {
	case t == nil:
		return notFound(c)
	case t.state == "Running" || t.state == "Pending":
		return reply{status: http.StatusAccepted, body: b.taskDoc(t), header: map[string]string{"Location": c.path}}
	case t.state == "Exception":
		return ok(b.taskDoc(t))
	}
	return noContent()
}
